//! `retentiond certificate`.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::context::{Cx, unknown_source};
use super::exit::{Exit, Failure};
use super::words::{colon, count, day, number, pick};
use super::{Format, output};
use crate::config::Lang;
use crate::enforce::{Leftover, leftover};
use crate::journal::{Certificate, CertificateError, Found, Hash, Instant, Name, issue};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source; a tenant of a family is `family:tenant`.
    #[arg(long)]
    source: String,
    /// The file to write; must not exist.
    #[arg(long)]
    out: PathBuf,
    /// Look as an administrator, whose URL is in this file: on MariaDB and MySQL the service's role does not see tables that it has no rights on.
    #[arg(long)]
    url_file: Option<PathBuf>,
}

/// Looks at every mapped table of a source, and certifies that nothing personal is left in any.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let lang = cx.lang(&workspace);
    let rules = workspace.sources.get(&args.source).ok_or_else(|| unknown_source(&workspace, &args.source))?;
    if args.out.exists() {
        return Err(Failure::new(Exit::Usage, format!("{} exists", args.out.display())));
    }
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect_as(&workspace, &args.source, args.url_file.as_deref()).await?;
    let looked_at = cx.clock.now();
    let prepared = cx.prepare(&workspace, &source, &rules, looked_at).await?;
    let mut session = source.session().await?;
    let looked = leftover(&mut session, &prepared, &rules.map).await?;
    session.done().await?;
    source.close().await;
    if !looked.left.is_empty() || looked.unknown + looked.files > 0 {
        return Err(Failure::new(Exit::Failed, refusal(&args.source, &looked, lang)));
    }
    let found = Found {
        looked_at: Instant::try_from(looked_at)?,
        map_hash: Hash::of(prepared.documents.map.as_bytes()),
        data_sets: looked.found,
    };
    let certificate = issue(&journal, &Name::parse(&args.source)?, found).await.map_err(|e| match e {
        CertificateError::Journal(e) => e.into(),
        other => Failure::new(Exit::Failed, format!("{}{} {}", args.source, colon(lang), because(&other, lang))),
    })?;
    state.close().await;
    let written = File::create_new(&args.out).and_then(|mut file| {
        file.write_all(&certificate.to_bytes())?;
        file.sync_all()
    });
    written.map_err(|e| Failure::new(Exit::Unavailable, format!("{}: {e}", args.out.display())))?;
    match cx.format {
        Format::Json => output::json(&serde_json::json!({
            "source": args.source,
            "file": args.out.display().to_string(),
            "certificate": certificate.claims.hash().to_string(),
            "claims": certificate.claims,
        }))?,
        Format::Text => output::say(text(&certificate, lang))?,
    }
    Ok(Exit::Ok)
}

/// What is left, by data set.
fn refusal(source: &str, looked: &Leftover, lang: Lang) -> String {
    let mut parts: Vec<String> =
        looked.left.iter().map(|(id, n)| format!("{id} {}", count(*n, lang, ("ligne", "lignes"), ("row", "rows")))).collect();
    if looked.unknown > 0 {
        parts.push(count(
            looked.unknown,
            lang,
            ("table ou colonne que la carte ne connaît pas", "tables ou colonnes que la carte ne connaît pas"),
            ("table or column that the map does not know", "tables or columns that the map does not know"),
        ));
    }
    if looked.files > 0 {
        parts.push(count(
            looked.files,
            lang,
            ("fichier qui n'a pas encore quitté son répertoire", "fichiers qui n'ont pas encore quitté leur répertoire"),
            ("file that has not left its store yet", "files that have not left their store yet"),
        ));
    }
    let head = pick(lang, "pas de certificat, il reste", "no certificate, there is left");
    format!("{source}{} {head} {}", colon(lang), parts.join(", "))
}

/// Why the journal does not allow it.
fn because(e: &CertificateError, lang: Lang) -> String {
    let Lang::Fr = lang else { return format!("no certificate: {e}") };
    let text = match e {
        CertificateError::Open(n) => {
            format!("{n} lots ou destructions ne sont pas clos, la prochaine exécution les clôt")
        }
        CertificateError::Running => "une exécution est en cours ou a été interrompue, la prochaine la clôt".to_owned(),
        CertificateError::NoRun => "aucune exécution ne s'est achevée sans rien laisser d'échu".to_owned(),
        CertificateError::Archived(n) => format!("des archives contiennent encore {} fiches de la source", number(*n, lang)),
        other => other.to_string(),
    };
    format!("pas de certificat\u{a0}: {text}")
}

/// A certificate in words.
pub fn text(certificate: &Certificate, lang: Lang) -> String {
    let (claims, account) = (&certificate.claims, &certificate.claims.account);
    let day = |at: &Instant| day(at.utc().date_naive(), lang);
    let mut lines = vec![match lang {
        Lang::Fr => format!(
            "Certificat\u{a0}: le {}, aucune donnée personnelle ne restait dans les tables de {} que connaît la carte.",
            day(&claims.looked_at),
            claims.source
        ),
        Lang::En => format!(
            "Certificate: on {}, no personal data was left in the tables of {} that the map knows.",
            day(&claims.looked_at),
            claims.source
        ),
    }];
    let rows = |n: u64| count(n, lang, ("ligne", "lignes"), ("row", "rows"));
    for found in claims.found.iter().filter(|f| f.anonymised > 0) {
        lines.push(match lang {
            Lang::Fr => format!("  {}\u{a0}: {} entièrement anonymisées demeurent", found.data_set, rows(found.anonymised)),
            Lang::En => format!("  {}: {} stay, anonymised altogether", found.data_set, rows(found.anonymised)),
        });
    }
    for done in &account.done {
        let (first, last) = (day(&done.first), day(&done.last));
        lines.push(match lang {
            Lang::Fr => format!("  {}, {}\u{a0}: {}, du {first} au {last}", done.data_set, done.action, rows(done.rows)),
            Lang::En => format!("  {}, {}: {}, from {first} to {last}", done.data_set, done.action, rows(done.rows)),
        });
    }
    for along in &account.along {
        let with = pick(lang, "avec elles", "with them");
        lines.push(format!("  {}, {}{} {}, {with}", along.data_set, along.action, colon(lang), rows(along.rows)));
    }
    for gone in &account.destroyed {
        lines.push(match lang {
            Lang::Fr => {
                format!("  archive {}, {}\u{a0}: {} fiches détruites", gone.archive, gone.purpose, number(gone.records, lang))
            }
            Lang::En => format!("  archive {}, {}: {} records destroyed", gone.archive, gone.purpose, number(gone.records, lang)),
        });
    }
    if account.unattributed > 0 {
        lines.push(match lang {
            Lang::Fr => {
                format!("  sans précision, retrouvées après une restauration du journal\u{a0}: {}", rows(account.unattributed))
            }
            Lang::En => format!("  not told apart, found after the journal was restored: {}", rows(account.unattributed)),
        });
    }
    for order in &account.orders {
        lines.push(match lang {
            Lang::Fr => format!(
                "  ordre {} ({}, {}) sur {} du {}, référence {}, placé par {}",
                order.order,
                order.kind,
                order.reason,
                order.data_set,
                day(&order.placed),
                order.reference,
                order.actor
            ),
            Lang::En => format!(
                "  order {} ({}, {}) on {} of {}, reference {}, placed by {}",
                order.order,
                order.kind,
                order.reason,
                order.data_set,
                day(&order.placed),
                order.reference,
                order.actor
            ),
        });
    }
    for run in &account.runs {
        let (plan, policy) = (run.plan_hash.to_string(), run.policy_hash.to_string());
        lines.push(match lang {
            Lang::Fr => format!("  exécution {} du {}, plan {plan}, politiques {policy}", run.run, day(&run.now)),
            Lang::En => format!("  run {} of {}, plan {plan}, policies {policy}", run.run, day(&run.now)),
        });
    }
    let proven = certificate.entries.len() as u64;
    lines.push(match lang {
        Lang::Fr => format!("Prouvé par {} écritures du journal {}.", number(proven, lang), claims.origin),
        Lang::En => format!("Proved by {} entries of the journal {}.", number(proven, lang), claims.origin),
    });
    lines.join("\n") + "\n"
}
