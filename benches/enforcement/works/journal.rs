//! Appends of batches of 1000 records to the journal, beside bare inserts of the same bytes in as many transactions.

use std::sync::Arc;
use std::time::Instant;

use retentiond::clock::FixedClock;
use retentiond::journal::{
    Action, Append, DocumentKind, Event, Hash, Id128, Instant as At, Journal, Mac, Macs, Name, Trigger, program_version,
    random_origin,
};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::state::State;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::Outcome;
use crate::args::Args;
use crate::product::now;
use crate::report::{Series, emit, median, ratio, rounded, series_json};

/// Records of a batch.
const BATCH: u64 = 1_000;

/// Measures it.
pub async fn measure(args: &Args) -> Outcome<()> {
    let (mut ours, mut bare, mut naming) = (Series::default(), Series::default(), Series::default());
    let mut bytes = 0;
    for _ in 0..args.rounds {
        let folder = tempfile::Builder::new().prefix("journal-").tempdir_in(&args.dir)?;
        let state = State::create(&folder.path().join("state")).await?;
        let journal = Journal::create(&state, Arc::new(FixedClock(now())), random_origin()?).await?;
        let batches = prepare(&journal, args.rows.div_ceil(BATCH), &mut naming).await?;
        let (first, _) = journal.head().await?;
        let records = batches.len() as u64 * BATCH;
        let mut sizes = Vec::new();
        let begun = Instant::now();
        for append in batches {
            sizes.push(journal.append(append).await?.size);
        }
        ours.push(records, begun.elapsed().as_secs_f64());

        let written = read_back(&state).await?;
        bytes = written.iter().map(|(_, _, data)| data.len()).sum::<usize>();
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.path().join("bare.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        sqlx::raw_sql("CREATE TABLE entry (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, data BLOB NOT NULL)")
            .execute(&mut connection)
            .await?;
        let begun = Instant::now();
        insert(&mut connection, &written, first, &sizes).await?;
        bare.push(records, begun.elapsed().as_secs_f64());
        connection.close().await?;
        state.close().await;
    }
    let (middle, all) = ratio(&ours, &bare);
    let all: Vec<String> = all.iter().map(|r| format!("{r:.2}")).collect();
    let people = format!(
        "ratio product/bare inserts {middle:.3} ({}); journal {:.0} records/s, bare {:.0} records/s, {:.1} bytes a record; naming records by MAC {:.0} records/s",
        all.join(" "),
        ours.speed(),
        bare.speed(),
        bytes as f64 / ours.rows.max(1) as f64,
        naming.rows as f64 / median(&naming.seconds).max(1e-9)
    );
    let figures = json!({
        "ratio_to_bare": rounded(middle), "bytes": bytes,
        "variants": series_json(&[("journal", &ours), ("bare", &bare), ("macs", &naming)]),
    });
    emit(args, figures, &people)
}

/// What a run appends: `applied` of one batch together with the intent of the next.
async fn prepare(journal: &Journal, batches: u64, naming: &mut Series) -> Outcome<Vec<Append>> {
    let (run, source, data_set) = (Id128::random()?, Name::parse("bench")?, Name::parse("customers")?);
    let key_id = journal.current_mac_key().await?;
    let (plan_hash, rule) = (Hash::of(b"plan"), Name::parse("customers.anonymise")?);
    let started = Event::RunStarted {
        run,
        source: source.clone(),
        trigger: Trigger::Command,
        now: At::try_from(now())?,
        plan_hash,
        policy_hash: Hash::of(b"policy"),
        map_hash: Hash::of(b"map"),
        schema_hash: Hash::of(b"schema"),
        version: program_version()?,
    };
    let documents = [(DocumentKind::Policy, "policy"), (DocumentKind::Map, "map"), (DocumentKind::Schema, "schema")];
    let append = documents.into_iter().fold(Append::new(), |a, (kind, body)| a.document(kind, body.as_bytes().to_vec()));
    journal.append(append.event(started)).await?;
    let intent = |batch: Id128| Event::Intent {
        run,
        batch,
        source: source.clone(),
        data_set: data_set.clone(),
        action: Action::Anonymise,
        rule: rule.clone(),
        plan_hash,
        slot: 0,
        epoch: 1,
    };
    let mut batch = Id128::random()?;
    journal.append(Append::from(intent(batch))).await?;
    let (mut all, mut seconds) = (Vec::new(), 0.0);
    for number in 0..batches {
        let begun = Instant::now();
        let macs: Option<Vec<Mac>> = (number * BATCH..(number + 1) * BATCH)
            .map(|i| {
                let key = RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: i.to_string() }]);
                journal.mac_keys().mac(key_id, &source, &data_set, &key)
            })
            .collect();
        let macs: Macs = macs.ok_or("no MAC key")?.into_iter().collect();
        seconds += begun.elapsed().as_secs_f64();
        let next = Id128::random()?;
        let applied = Event::Applied {
            run,
            batch,
            rows: BATCH,
            related: Vec::new(),
            key_id,
            macs,
            recovered: false,
            sealed: Vec::new(),
            files: Vec::new(),
        };
        all.push(Append::new().event(applied).event(intent(next)));
        batch = next;
    }
    naming.push(batches * BATCH, seconds);
    Ok(all)
}

/// The entries exactly as they were written.
async fn read_back(state: &State) -> Outcome<Vec<(i64, String, Vec<u8>)>> {
    let rows = sqlx::query("SELECT seq, kind, data FROM log_entry ORDER BY seq").fetch_all(state.pool()).await?;
    rows.iter().map(|r| Ok((r.try_get(0)?, r.try_get(1)?, r.try_get(2)?))).collect()
}

/// The same entries in the same transactions, and nothing else.
async fn insert(connection: &mut SqliteConnection, all: &[(i64, String, Vec<u8>)], first: u64, sizes: &[u64]) -> Outcome<()> {
    let mut rest = all.iter().filter(|(seq, ..)| *seq >= first as i64).peekable();
    for size in sizes {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        while let Some((seq, kind, data)) = rest.next_if(|(seq, ..)| *seq < *size as i64) {
            sqlx::query("INSERT INTO entry (seq, kind, data) VALUES (?, ?, ?)")
                .bind(seq)
                .bind(kind)
                .bind(data)
                .execute(&mut *connection)
                .await?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
    }
    Ok(())
}
