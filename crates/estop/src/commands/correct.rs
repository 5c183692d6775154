//! `estop correct`: notices of corrections, and the answers to them.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use evidence::correction::{Correction, namespace};
use evidence::directive::MAX_SIGNATURE_BYTES;
use evidence::id::{CorrectionNumber, OfficerId};
use evidence::note::MAX_NOTE_BYTES;
use evidence::record::{AcknowledgedRecord, Answer};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::certificate::public_key;
use super::ledger::{opened, served};
use crate::accounting::{Account, account, by_reason};
use crate::cli::{Correct, CorrectCommand};
use crate::corrections::{self, Answered, NoticeError, Noticed};
use crate::demo::report::grouped;
use crate::estate::{self, Loaded};
use crate::failure::{Exit, Failure};
use crate::files::{self, FileError, Readers};
use crate::output::{Console, Tone};
use crate::{clock, custodian};

pub(super) async fn run(command: &Correct, folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = || estate::load(folder);
    match &command.command {
        None => make(command, &loaded()?, console).await,
        Some(CorrectCommand::List { all }) => list(&loaded()?, *all, console).await,
        Some(CorrectCommand::Show { number, output }) => {
            let noticed = find(&loaded()?, number).await?;
            let file = output
                .clone()
                .unwrap_or_else(|| format!("{number}.correction").into());
            files::create(&file, &noticed.notice, Readers::Owner)?;
            console.line(file.display())?;
            console.document(&json!({ "number": number, "file": file }))?;
            Ok(Exit::Yes)
        }
        Some(CorrectCommand::Acknowledge {
            number,
            signature,
            word,
        }) => acknowledge(&loaded()?, number, signature.as_deref(), word.as_deref(), console).await,
        Some(CorrectCommand::Check { file, key }) => check(file, key, console),
    }
}

async fn make(command: &Correct, loaded: &Loaded, console: Console) -> Result<Exit, Failure> {
    let Correct {
        dataset: Some(dataset),
        subject: Some(subject),
        note: Some(note),
        out,
        ..
    } = command
    else {
        return Err(Failure::wrong("a data set, a subject and a note are needed"));
    };
    let (at_work, dataset, subject) = (loaded.clone(), dataset.clone(), subject.clone());
    let account = tokio::task::spawn_blocking(move || account(&at_work, &dataset, &subject, console.news()))
        .await
        .map_err(|error| Failure::absent("the ledger cannot be looked through").because(&error))??;
    let key = custodian::key(&loaded.state(), &loaded.estate.custodian().name)?;
    let notices = corrections::draw_up(loaded, &account, note, clock::now(), &key)?;
    let noticed = if notices.is_empty() {
        Vec::new()
    } else {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(out)
            .map_err(|source| FileError::new("create", out, source))?;
        record(loaded, notices).await?
    };
    let mut written = Vec::new();
    for one in &noticed {
        let file = out.join(format!("{}.correction", one.number));
        files::create(&file, &one.notice, Readers::Owner)?;
        console.line(format!("{}: {}", one.partner, file.display()))?;
        written
            .push(json!({ "number": one.number, "partner": one.partner, "entry": one.entry, "file": file }));
    }
    if noticed.is_empty() {
        console.line("nobody is recorded to have been given this record")?;
    } else {
        let namespace = namespace(&loaded.estate.custodian().name);
        console.line(format!(
            "send each to its partner; an officer answers by: ssh-keygen -Y sign -f KEY -n {namespace} FILE"
        ))?;
    }
    missing(&account, console)?;
    console.document(&json!({ "notices": written, "covers": account.covers }))?;
    Ok(Exit::Yes)
}

/// What notices cannot reach.
fn missing(account: &Account, console: Console) -> Result<(), Failure> {
    let covers = &account.covers;
    for (reason, (results, rows)) in by_reason(covers) {
        console.line(console.paint(
            Tone::Notice,
            format!(
                "not known whose: {} rows in {} results ({reason}); who was given them may have been given this record, and gets no notice",
                grouped(rows),
                grouped(results)
            ),
        ))?;
    }
    let unknown = covers.earlier_rows.saturating_add(covers.other_key_rows);
    if unknown > 0 {
        console.line(console.paint(
            Tone::Notice,
            format!(
                "not known whose: {} rows from before subjects were recorded, or recorded with another accounting key",
                grouped(unknown)
            ),
        ))?;
    }
    Ok(())
}

async fn list(loaded: &Loaded, answered_too: bool, console: Console) -> Result<Exit, Failure> {
    let key = custodian::public_key(&loaded.state())?;
    let now = clock::now();
    let mut lines: Vec<Value> = Vec::new();
    for one in known(loaded).await? {
        if one.answered.is_some() && !answered_too {
            continue;
        }
        let notice =
            Correction::open(&one.notice, &key).map_err(|error| Failure::from_error(Exit::Wrong, &error))?;
        let notice = notice.get();
        let days = days(one.made, now);
        let (state, answer) = match &one.answered {
            None => (format!("open for {days} days"), Value::Null),
            Some(answered) => told(answered),
        };
        console.line(format!(
            "{}  {}  {} {} {}, given {} times, made {}: {}",
            one.number,
            one.partner,
            notice.dataset,
            notice.subject_key,
            notice.subject.escape_debug(),
            notice.disclosures,
            one.made,
            console.paint(
                if one.answered.is_none() {
                    Tone::Notice
                } else {
                    Tone::Good
                },
                state
            ),
        ))?;
        lines.push(json!({
            "number": one.number,
            "partner": one.partner,
            "dataset": notice.dataset,
            "subject_key": notice.subject_key,
            "subject": notice.subject,
            "note": notice.note,
            "disclosures": notice.disclosures,
            "made": one.made,
            "entry": one.entry,
            "open_days": one.answered.is_none().then_some(days),
            "answered": answer,
        }));
    }
    if lines.is_empty() {
        console.line("no notice is open")?;
    }
    console.document(&json!({ "notices": lines }))?;
    Ok(Exit::Yes)
}

fn days(from: Timestamp, until: Timestamp) -> i64 {
    const DAY_SECONDS: i64 = 24 * 60 * 60;
    let seconds = until.as_second().saturating_sub(from.as_second());
    seconds.max(0).checked_div(DAY_SECONDS).unwrap_or(0)
}

fn told(answered: &Answered) -> (String, Value) {
    let Answered { entry, at, answer } = answered;
    match answer {
        Answer::Signed { officer, .. } => (
            format!("answered {at} by {officer}, with a signature"),
            json!({ "entry": entry, "at": at, "officer": officer }),
        ),
        Answer::Word { text } => (
            format!("answered {at}, by the custodian's word: {}", text.as_str()),
            json!({ "entry": entry, "at": at, "word": text }),
        ),
    }
}

async fn acknowledge(
    loaded: &Loaded,
    number: &CorrectionNumber,
    signature: Option<&Path>,
    word: Option<&str>,
    console: Console,
) -> Result<Exit, Failure> {
    let at = clock::now();
    let answer = match (signature, word) {
        (Some(file), _) => {
            let signature = files::read(file, MAX_SIGNATURE_BYTES)?;
            corrections::signed_answer(loaded, &find(loaded, number).await?, &signature, at)?
        }
        (None, word) => Answer::Word {
            text: word.unwrap_or_default().into(),
        },
    };
    let record = AcknowledgedRecord {
        number: number.clone(),
        at,
        answer,
    };
    let answered: Answered = match served(loaded) {
        Some(admin) => admin.post("/corrections/answer", &record).await?,
        None => {
            let ledger = opened(loaded)?;
            blocking(move || corrections::record_answer(&ledger, record)).await?
        }
    };
    console.line(console.paint(Tone::Good, format!("{number}: {}", told(&answered).0)))?;
    console.document(&json!({ "number": number, "entry": answered.entry, "answered": told(&answered).1 }))?;
    Ok(Exit::Yes)
}

fn check(file: &Path, key: &str, console: Console) -> Result<Exit, Failure> {
    let key = public_key(key)?;
    let text = files::read(file, MAX_NOTE_BYTES)?;
    let notice = match Correction::open(&text, &key) {
        Ok(notice) => notice,
        Err(error) => {
            let why = Failure::from_error(Exit::No, &error).line();
            console.line(console.paint(Tone::Bad, format!("does not hold: {why}")))?;
            console.document(&json!({ "holds": false, "why": why }))?;
            return Ok(Exit::No);
        }
    };
    let draft = notice.get();
    console.line(console.paint(
        Tone::Good,
        format!(
            "notice {} of {} to {}",
            draft.number, draft.custodian, draft.partner
        ),
    ))?;
    console.line(format!(
        "  the record of {} with {} {} was corrected: {}",
        draft.dataset,
        draft.subject_key,
        draft.subject.escape_debug(),
        draft.note
    ))?;
    console.line(format!(
        "  it was given to {} {} times:",
        draft.partner, draft.disclosures
    ))?;
    for given in &draft.listed {
        console.line(format!(
            "  {} under {} to {} (entry {})",
            given.time,
            given.agreement,
            given
                .officer
                .as_ref()
                .map_or("an officer whose name is under seal", OfficerId::as_str),
            given.entry
        ))?;
    }
    console.line(format!(
        "  answer it by: ssh-keygen -Y sign -f KEY -n {} FILE",
        namespace(&draft.custodian)
    ))?;
    console.document(&json!({
        "holds": true,
        "number": draft.number,
        "custodian": draft.custodian,
        "partner": draft.partner,
        "dataset": draft.dataset,
        "subject_key": draft.subject_key,
        "subject": draft.subject,
        "made": draft.made,
        "disclosures": draft.disclosures,
        "note": draft.note,
    }))?;
    Ok(Exit::Yes)
}

async fn record(loaded: &Loaded, notices: Vec<String>) -> Result<Vec<Noticed>, Failure> {
    match served(loaded) {
        Some(admin) => admin.post("/corrections", &notices).await,
        None => {
            let ledger = opened(loaded)?;
            blocking(move || corrections::record_notices(&ledger, &notices)).await
        }
    }
}

async fn known(loaded: &Loaded) -> Result<Vec<Noticed>, Failure> {
    match served(loaded) {
        Some(admin) => admin.get("/corrections").await,
        None => {
            let ledger = opened(loaded)?;
            blocking(move || corrections::all(&ledger)).await
        }
    }
}

async fn find(loaded: &Loaded, number: &CorrectionNumber) -> Result<Noticed, Failure> {
    let mut known = known(loaded).await?.into_iter();
    known.find(|noticed| noticed.number == *number).ok_or_else(|| {
        Failure::wrong(format!("there is no notice {number}")).help("`estop correct list --all` lists them")
    })
}

async fn blocking<A: Send + 'static>(
    work: impl FnOnce() -> Result<A, NoticeError> + Send + 'static,
) -> Result<A, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::absent("the ledger cannot be read").because(&error))?
        .map_err(|error| Failure::from_error(Exit::Wrong, &error))
}
