//! `estop overseers`: keys split among people, and the opening of what is under seal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use evidence::commitment::OpeningKey;
use evidence::id::{Custodian, HolderId, OverseersId};
use evidence::overseers::shares::{self, MAX_SHARE_BYTES, SECRET_BYTES, Share};
use evidence::overseers::unsealing::{Answer, Asked, MAX_ASKED, MAX_REQUEST_BYTES, Request, is_order};
use jiff::Timestamp;
use ledger::look::{LookError, look};
use ledger::seal;
use serde_json::json;
use zeroize::Zeroizing;

use super::ledger::{opened, served};
use crate::accounting::account;
use crate::cli::{IndexRange, Overseers as Command};
use crate::clock;
use crate::demo::report::grouped;
use crate::estate::{self, Loaded};
use crate::failure::{Exit, Failure};
use crate::files::{self, Readers};
use crate::output::{Console, Tone};
use crate::serve::unsealing::{UnsealAnswer, UnsealRequest, unseal};

pub(super) async fn run(command: &Command, folder: &Path, console: Console) -> Result<Exit, Failure> {
    match command {
        Command::New {
            id,
            custodian,
            holders,
            threshold,
            out,
        } => new(id, custodian, holders, *threshold, out, console),
        Command::Request {
            entries,
            dataset,
            subject,
            due,
            overseers,
            output,
        } => {
            let wanted = match (dataset, subject) {
                (Some(dataset), Some(subject)) => Wanted::Subject(dataset.clone(), subject.clone()),
                _ if *due => Wanted::Due(clock::now()),
                _ => Wanted::Entries(entries.clone()),
            };
            request(
                &estate::load(folder)?,
                wanted,
                overseers.as_ref(),
                output,
                console,
            )
            .await
        }
        Command::Open {
            request,
            shares,
            order,
            output,
        } => open(request, shares, order.as_deref(), output, console),
        Command::Submit { answer } => submit(&estate::load(folder)?, answer, console).await,
    }
}

fn wrong(error: &dyn std::error::Error) -> Failure {
    Failure::from_error(Exit::Wrong, error)
}

fn new(
    id: &OverseersId,
    custodian: &Custodian,
    holders: &[HolderId],
    threshold: u8,
    out: &Path,
    console: Console,
) -> Result<Exit, Failure> {
    let distinct: BTreeSet<&HolderId> = holders.iter().collect();
    if distinct.len() != holders.len() {
        return Err(Failure::wrong(
            "a holder is named twice: each share has another one",
        ));
    }
    let count = u8::try_from(holders.len()).unwrap_or(u8::MAX);
    let (private, key) = seal::generate().map_err(|error| Failure::from_error(Exit::Absent, &error))?;
    let random = |_| {
        let mut coefficient = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(coefficient.as_mut_slice())
            .map_err(|_| Failure::absent("the system gave no random bytes"))?;
        Ok::<_, Failure>(coefficient)
    };
    let coefficients = (1..threshold).map(random).collect::<Result<Vec<_>, _>>()?;
    let values = shares::split(&private, threshold, count, &coefficients).map_err(|error| wrong(&error))?;
    let mut written = Vec::new();
    for ((holder, value), number) in holders.iter().zip(values).zip(1..) {
        let share = Share {
            custodian: custodian.clone(),
            overseers: id.clone(),
            key,
            threshold,
            holder: holder.clone(),
            number,
            value,
        };
        let file = out.join(format!("{id}-{holder}.share"));
        files::create(&file, &share.text(), Readers::Owner)?;
        console.line(file.display())?;
        written.push(json!({ "holder": holder, "file": file }));
    }
    let names: Vec<String> = holders.iter().map(|holder| format!("\"{holder}\"")).collect();
    let names = names.join(", ");
    let table = format!("[overseers.{id}]\nkey = \"{key}\"\nthreshold = {threshold}\nholders = [{names}]");
    console.line(format!(
        "hand each share to its holder and delete it here: any {threshold} of them open what is sealed, and no copy of the whole key is left"
    ))?;
    console.line(format!("\nfor estop.toml:\n\n{table}"))?;
    console.document(
        &json!({ "overseers": id, "key": key, "threshold": threshold, "shares": written, "toml": table }),
    )?;
    Ok(Exit::Yes)
}

/// Which entries are asked for.
enum Wanted {
    Entries(Vec<IndexRange>),
    Subject(String, String),
    /// Those whose time has come.
    Due(Timestamp),
}

async fn request(
    loaded: &Loaded,
    wanted: Wanted,
    overseers: Option<&OverseersId>,
    output: &Path,
    console: Console,
) -> Result<Exit, Failure> {
    let (at_work, to) = (loaded.clone(), overseers.cloned());
    let found = tokio::task::spawn_blocking(move || gather(&at_work, &wanted, to.as_ref(), console))
        .await
        .map_err(|error| Failure::absent("the ledger cannot be read").because(&error))??;
    let Some(first) = found.first() else {
        return Err(Failure::no("none of these entries is under seal"));
    };
    let overseers = first.under.overseers.clone();
    if found.iter().any(|asked| asked.under.overseers != overseers) {
        return Err(Failure::wrong("the entries are sealed to several overseers")
            .help("one request asks one of them: say which with --overseers"));
    }
    let request = Request {
        custodian: loaded.estate.custodian().name.clone(),
        overseers: overseers.clone(),
        asked: found,
    };
    let text = request.text().map_err(|error| wrong(&error))?;
    files::create(output, &text, Readers::Owner)?;
    let count = request.asked.len();
    console.line(format!(
        "{}: {count} entries for overseers {overseers}",
        output.display()
    ))?;
    if count == MAX_ASKED {
        console.line("there may be more: ask again when these are open")?;
    }
    console.document(&json!({ "overseers": overseers, "entries": count, "file": output }))?;
    Ok(Exit::Yes)
}

/// What is under seal of what is asked for, from the ledger as it lies on the disk.
fn gather(
    loaded: &Loaded,
    wanted: &Wanted,
    overseers: Option<&OverseersId>,
    console: Console,
) -> Result<Vec<Asked>, Failure> {
    let ranges: Option<Vec<(u64, u64)>> = match wanted {
        Wanted::Entries(ranges) => Some(ranges.iter().map(|range| (range.first, range.last)).collect()),
        Wanted::Subject(dataset, subject) => {
            let account = account(loaded, dataset, subject, console.news())?;
            let entries = account.sealed_entries.iter();
            Some(entries.map(|sealed| (sealed.entry, sealed.entry)).collect())
        }
        Wanted::Due(_) => None,
    };
    let from = match &ranges {
        Some(ranges) => ranges.iter().map(|(first, _)| *first).min().unwrap_or(u64::MAX),
        None => 0,
    };
    let last = match &ranges {
        Some(ranges) => ranges.iter().map(|(_, last)| *last).max().unwrap_or(0),
        None => u64::MAX,
    };
    let mut found = Vec::new();
    let custodian = &loaded.estate.custodian().name;
    let walked = look(&loaded.state().ledger(), custodian, from, |stored| {
        if stored.index > last || found.len() == MAX_ASKED {
            return Err(Walk::Enough);
        }
        let Some(sealed) = stored.under_seal else {
            return Ok(());
        };
        let under = sealed.margin.under;
        let asked_for = match (&ranges, wanted) {
            (Some(ranges), _) => ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&stored.index)),
            (None, Wanted::Due(now)) => under.until.is_some_and(|until| until <= *now),
            _ => false,
        };
        if asked_for && overseers.is_none_or(|wanted| *wanted == under.overseers) {
            found.push(Asked {
                index: stored.index,
                under,
                sealed_key: sealed.sealed_key,
                entry: stored.entry,
            });
        }
        Ok(())
    });
    match walked {
        Ok(()) | Err(Walk::Enough) => Ok(found),
        Err(Walk::Fault(error)) => Err(Failure::from_error(Exit::Absent, &error)),
    }
}

/// Why a walk over the ledger ended before the ledger did.
enum Walk {
    Enough,
    Fault(LookError),
}

impl From<LookError> for Walk {
    fn from(error: LookError) -> Self {
        Self::Fault(error)
    }
}

fn open(
    request: &Path,
    files: &[PathBuf],
    order: Option<&str>,
    output: &Path,
    console: Console,
) -> Result<Exit, Failure> {
    let text = files::read(request, MAX_REQUEST_BYTES)?;
    let request = Request::parse(&text).map_err(|error| wrong(&error))?;
    if order.is_some_and(|order| !is_order(order)) {
        return Err(Failure::wrong("the order is one plain line of up to 500 bytes"));
    }
    let mut shares = Vec::new();
    for file in files {
        let text = Zeroizing::new(files::read(file, MAX_SHARE_BYTES)?);
        let share = Share::parse(&text)
            .map_err(|error| wrong(&error).help(format!("`{}` is read as a share", file.display())))?;
        if share.overseers != request.overseers || share.custodian != request.custodian {
            return Err(Failure::wrong(format!(
                "`{}` is a share of overseers `{}` of {}, and what is asked for is sealed to `{}` of {}",
                file.display(),
                share.overseers,
                share.custodian,
                request.overseers,
                request.custodian
            )));
        }
        shares.push(share);
    }
    let private = shares::combine(&shares).map_err(|error| Failure::from_error(Exit::No, &error))?;
    let whole = shares.first().map(|share| share.key);
    if seal::public(&private).ok() != whole {
        return Err(Failure::no(
            "the shares do not give the key that they name: one of them is damaged",
        ));
    }
    let (now, origin) = (clock::now(), request.custodian.main_origin());
    let mut opened: Vec<(u64, OpeningKey)> = Vec::new();
    for asked in &request.asked {
        let due = asked.under.until.is_some_and(|until| until <= now);
        if !due && order.is_none() {
            return Err(Failure::no(format!(
                "entry {} is sealed until {}: it is opened before on an order only",
                asked.index,
                asked.under.until_text()
            ))
            .help("--order TEXT says on which, and is recorded"));
        }
        let entry = asked
            .parsed()
            .ok_or_else(|| Failure::wrong("an entry of the request is none"))?;
        let commitment = entry.commitment.unwrap_or(evidence::hash::Hash::ZERO);
        let key = seal::open(&private, &asked.under, &origin, &commitment, &asked.sealed_key)
            .map_err(|error| Failure::from_error(Exit::No, &error).help(format!("entry {}", asked.index)))?;
        let partner = entry.partner.as_ref().map_or("", |id| id.as_str());
        let agreement = entry.agreement.as_ref().map_or("", |id| id.as_str());
        console.line(format!(
            "entry {}: {} of {}, {partner}, {agreement}; sealed until {}",
            asked.index,
            entry.kind,
            entry.time,
            asked.under.until_text()
        ))?;
        opened.push((asked.index, key));
    }
    let answer = Answer {
        custodian: request.custodian,
        overseers: request.overseers,
        holders: shares.iter().map(|share| share.holder.clone()).collect(),
        order: order.map(str::to_owned),
        opened,
    };
    let text = answer.text().map_err(|error| wrong(&error))?;
    files::create(output, &text, Readers::Owner)?;
    let count = answer.opened.len();
    console.line(format!(
        "{}: opens {}",
        output.display(),
        console.paint(Tone::Strong, format!("{count} entries"))
    ))?;
    console
        .document(&json!({ "entries": count, "file": output, "order": order, "holders": answer.holders }))?;
    Ok(Exit::Yes)
}

async fn submit(loaded: &Loaded, answer: &Path, console: Console) -> Result<Exit, Failure> {
    let asked = UnsealRequest {
        answer: files::read(answer, MAX_REQUEST_BYTES)?,
        by: format!("uid {}", rustix::process::getuid().as_raw()),
    };
    let done: UnsealAnswer = match served(loaded) {
        Some(admin) => admin.post("/ledger/unseal", &asked).await?,
        None => {
            let ledger = opened(loaded)?;
            tokio::task::spawn_blocking(move || unseal(&ledger, &asked))
                .await
                .map_err(|error| Failure::absent("the opening was cut off").because(&error))?
                .map_err(|error| wrong(&error))?
        }
    };
    console.line(format!(
        "{}: {} records opened, said by entry {}",
        done.time,
        console.paint(Tone::Strong, grouped(done.records)),
        done.entry
    ))?;
    console.document(&done)?;
    Ok(Exit::Yes)
}
