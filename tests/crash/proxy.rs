//! A TCP proxy between engine and server that breaks one connection at a chosen message.
//!
//! A message is what the client says until the server speaks: both protocols take turns, so none of them needs to be understood.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the message: the server never hears of it.
    Before,
    /// Half of the message arrives.
    During,
    /// The message arrives and is answered; the answer does not.
    Reply,
    /// The client is cut off, and only then does the message reach the server.
    Late,
    /// From this message on, nothing arrives on either side, and nobody is told.
    Silent,
    /// The same behind the message.
    SilentReply,
}

pub const CUTS: [Cut; 6] = [Cut::Before, Cut::During, Cut::Reply, Cut::Late, Cut::Silent, Cut::SilentReply];

#[derive(Default)]
struct Shared {
    upstream: Option<SocketAddr>,
    cut: Option<(Cut, usize)>,
    messages: usize,
    met: bool,
    /// Servers' ends of silenced connections: to the server they are alive.
    silent: Vec<TcpStream>,
}

/// The proxy; its threads end with the process.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    /// In front of the server of a URL.
    pub fn new(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), shared: Arc::default() };
        proxy.lead_to(url);
        let shared = proxy.shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                std::thread::spawn(move || serve(client, &shared));
            }
        });
        proxy
    }

    /// Where new connections go from now on.
    pub fn lead_to(&self, url: &str) {
        self.shared.lock().unwrap().upstream = Some(place(url).parse().unwrap());
    }

    /// The same database through the proxy.
    pub fn url(&self, url: &str) -> String {
        url.replacen(place(url), &format!("127.0.0.1:{}", self.port), 1)
    }

    /// Counts messages anew, and breaks the connection that sends the nth (from 1).
    pub fn arm(&self, cut: Option<(Cut, usize)>) {
        let mut shared = self.shared.lock().unwrap();
        (shared.cut, shared.messages, shared.met) = (cut, 0, false);
        shared.silent.clear();
    }

    /// How many messages there were, and whether the connection was cut.
    pub fn seen(&self) -> (usize, bool) {
        let shared = self.shared.lock().unwrap();
        (shared.messages, shared.met)
    }
}

/// Host and port of a URL.
fn place(url: &str) -> &str {
    let (_, rest) = url.rsplit_once('@').unwrap();
    rest.split_once('/').unwrap().0
}

fn serve(mut client: TcpStream, shared: &Arc<Mutex<Shared>>) {
    let Some(mut server) = shared.lock().unwrap().upstream.and_then(|to| TcpStream::connect(to).ok()) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let state = Arc::new(Turns::default());
    let (from, to, turns) = (server.try_clone().unwrap(), client.try_clone().unwrap(), state.clone());
    let back = std::thread::spawn(move || answers(from, to, &turns));
    let mut buffer = vec![0; 1 << 20];
    // The server speaks first on MariaDB, the client on PostgreSQL: either way what comes now is a new message.
    state.answered.store(true, Ordering::SeqCst);
    loop {
        let n = client.read(&mut buffer).unwrap_or(0);
        if state.swallow.load(Ordering::SeqCst) && n > 0 {
            continue;
        }
        if n == 0 {
            break;
        }
        let message = &buffer[..n];
        let cut = if state.answered.swap(false, Ordering::SeqCst) { next(shared) } else { None };
        match cut {
            None => {}
            Some(Cut::Before) => break,
            Some(Cut::During) => {
                let _ = server.write_all(&message[..n / 2]);
                break;
            }
            Some(Cut::Reply) => state.drop_answer.store(true, Ordering::SeqCst),
            Some(Cut::Late) => {
                state.swallow.store(true, Ordering::SeqCst);
                let _ = client.shutdown(Shutdown::Both);
                wait(shared);
                let _ = server.write_all(message);
                // It is carried out before the connection ends.
                std::thread::sleep(Duration::from_millis(150));
                break;
            }
            Some(Cut::Silent) => {
                state.swallow.store(true, Ordering::SeqCst);
                shared.lock().unwrap().silent.push(server.try_clone().unwrap());
                continue;
            }
            Some(Cut::SilentReply) => {
                state.swallow.store(true, Ordering::SeqCst);
                shared.lock().unwrap().silent.push(server.try_clone().unwrap());
            }
        }
        if server.write_all(message).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    // To the server, a silenced connection lives on after the client has given it up, until the test has ended.
    if !shared.lock().unwrap().silent.iter().any(|s| s.peer_addr().is_ok() && s.local_addr().ok() == server.local_addr().ok()) {
        let _ = server.shutdown(Shutdown::Both);
        let _ = back.join();
    }
}

/// The breaking due at the message that begins now.
fn next(shared: &Mutex<Shared>) -> Option<Cut> {
    let mut shared = shared.lock().unwrap();
    shared.messages += 1;
    let cut = shared.cut.filter(|(_, nth)| *nth == shared.messages).map(|(cut, _)| cut);
    shared.met |= cut.is_some();
    cut
}

/// Waits until the client, on other connections, has drawn its conclusions, or waits for the connection that was cut.
fn wait(shared: &Mutex<Shared>) {
    let seen = || shared.lock().unwrap().messages;
    let (from, begun) = (seen(), Instant::now());
    while seen() < from + 8 && begun.elapsed() < Duration::from_millis(1_500) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[derive(Default)]
struct Turns {
    /// The server has spoken since the client's last word.
    answered: AtomicBool,
    /// Whatever the server says next ends the connection unheard.
    drop_answer: AtomicBool,
    /// Nothing passes any more.
    swallow: AtomicBool,
}

fn answers(mut server: TcpStream, mut client: TcpStream, turns: &Turns) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = server.read(&mut buffer).unwrap_or(0);
        if turns.swallow.load(Ordering::SeqCst) && n > 0 {
            continue;
        }
        if n == 0 || turns.drop_answer.load(Ordering::SeqCst) {
            break;
        }
        turns.answered.store(true, Ordering::SeqCst);
        if client.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    if !turns.swallow.load(Ordering::SeqCst) {
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    }
}
