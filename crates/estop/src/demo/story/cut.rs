//! The order and its effect: a large result on its way, two signatures, and the last row.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cli::{ScopeWanted, Words};
use crate::clock;
use crate::commands::directive::{Drawn, draw_up, submit};
use crate::demo::cast::AUTHORITIES;
use crate::demo::download::{Download, Ended, QUERY};
use crate::demo::report::{Report, Step, grouped};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::ssh;

use evidence::directive::namespace;
use evidence::id::DirectiveNumber;

/// Rows that are under way before the order is drawn up.
const ROWS_BEFORE: u64 = 100_000;

/// A slow machine in a debug build takes a few seconds for them.
const ROWS_WITHIN: Duration = Duration::from_secs(30);

/// How long the client may take to notice that it was cut off. The cut itself is measured, and takes milliseconds.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Longest time from the order to the last row that the demo accepts.
const LAST_ROW_WITHIN: Duration = Duration::from_secs(1);

/// Plays the cut. The directive's number, for the proof.
pub(super) async fn play(stage: &Stage, report: &mut Report) -> Result<DirectiveNumber, Failure> {
    let download = begin(stage, report).await?;
    let drawn = order(stage, report).await?;
    let signatures = sign(stage, report, &drawn).await?;
    let rows_before = download.as_ref().map(Download::rows).unwrap_or_default();
    let submitted = clock::monotonic();
    let taken = submit(&stage.admin(), &drawn.file, &signatures).await;
    let answered = submitted.elapsed();
    if let Err(failure) = &taken {
        report.add(
            Step::new("submitted", "custodian", "must carry the order out").must(false, failure.line()),
        )?;
    }
    let ended = match download {
        Some(download) => download.end(END_WITHIN).await,
        None => None,
    };
    report.add(cut(
        ended.as_ref(),
        submitted,
        answered,
        rows_before,
        &drawn.number,
    ))?;
    after(stage, report, &drawn.number).await?;
    Ok(drawn.number)
}

async fn begin(stage: &Stage, report: &mut Report) -> Result<Option<Download>, Failure> {
    let session = match stage.gate.connect(&stage.passwords.federal()).await {
        Ok(session) => session,
        Err(refused) => {
            let step = Step::new("download", "federal-agency", "must be let in").must(false, refused.message);
            report.add(step)?;
            return Ok(None);
        }
    };
    let download = Download::begin(session, QUERY);
    let flows = download.reaches(ROWS_BEFORE, ROWS_WITHIN).await;
    let said = format!("reads on: {} rows so far", grouped(download.rows()));
    report.add(Step::new("download", "federal-agency", said).must(
        flows,
        format!(
            "{} rows must flow within {} s",
            grouped(ROWS_BEFORE),
            ROWS_WITHIN.as_secs()
        ),
    ))?;
    Ok(Some(download))
}

async fn order(stage: &Stage, report: &mut Report) -> Result<Drawn, Failure> {
    let scope = ScopeWanted {
        partner: "federal-agency"
            .parse()
            .map_err(|error| Failure::wrong("the demo's partner").because(&error))?,
        agreement: None,
        purpose: None,
    };
    let words = Words {
        basis: "Executive order 2026-14".to_owned(),
        within: 24,
        ..Words::default()
    };
    let drawn = draw_up(&stage.admin(), &scope, None, &words, stage.folder()).await?;
    report.add(
        Step::new(
            "directive",
            "directive",
            format!("{} terminate federal-agency, drawn up", drawn.number),
        )
        .show(drawn.file.display().to_string())
        .fact("number", drawn.number.to_string())
        .fact("file", drawn.file.display().to_string()),
    )?;
    Ok(drawn)
}

/// Both authorities sign; after the first, the order is tried, and must not do.
async fn sign(stage: &Stage, report: &mut Report, drawn: &Drawn) -> Result<Vec<PathBuf>, Failure> {
    let mut signatures = Vec::new();
    for who in AUTHORITIES {
        let signature = drawn.file.with_extension(format!("directive.{who}.sig"));
        let namespace = namespace(&stage.estate.estate.custodian().name);
        ssh::sign(&drawn.file, &stage.key(who), &namespace, &signature)
            .map_err(|error| Failure::from_error(crate::failure::Exit::Absent, &error))?;
        signatures.push(signature);
        let step = Step::new(
            if signatures.len() == 1 {
                "signed-once"
            } else {
                "signed-twice"
            },
            who,
            "signs with an SSH key",
        );
        if signatures.len() > 1 {
            report.add(step)?;
            continue;
        }
        let step = match submit(&stage.admin(), &drawn.file, &signatures).await {
            Ok(_) => step.must(false, "one signature must not be enough, and was"),
            Err(failure) => step.show(format!("alone it is refused: {}", failure.line())),
        };
        report.add(step)?;
    }
    Ok(signatures)
}

fn cut(
    ended: Option<&Ended>,
    submitted: Instant,
    answered: Duration,
    rows_before: u64,
    number: &DirectiveNumber,
) -> Step {
    let Some(ended) = ended else {
        return Step::new("cut", "federal-agency", "must be cut off").must(
            false,
            format!(
                "its result still flows {} s after the order",
                END_WITHIN.as_secs()
            ),
        );
    };
    let milliseconds = ended.last_row.saturating_duration_since(submitted).as_secs_f64() * 1_000.0;
    let said = format!(
        "cut in mid-result after {} rows, {milliseconds:.1} ms from the order to the last row",
        grouped(ended.rows)
    );
    let told = ended.why.as_ref().or(ended.connection.as_ref());
    let code = told.map(|refused| refused.sqlstate.as_str()).unwrap_or_default();
    let words = told.map(|refused| refused.message.as_str()).unwrap_or_default();
    Step::new("cut", "federal-agency", said)
        .must(ended.why.is_some(), "the result must not come to its end")
        .must(
            ended.rows >= rows_before,
            "rows must have been flowing when the order came",
        )
        .must(
            milliseconds <= LAST_ROW_WITHIN.as_secs_f64() * 1_000.0,
            "no row later than a second after the order",
        )
        .equal("the code", &code, &"57P01")
        .must(
            words.contains(number.to_string().as_str()),
            format!("the words must name {number}: `{words}`"),
        )
        .show(format!("{code} {words}"))
        .fact("rows", ended.rows)
        .fact("bytes", ended.bytes)
        .fact("order_to_last_row_ms", milliseconds)
        .fact("order_to_answer_ms", answered.as_secs_f64() * 1_000.0)
}

/// Who was cut off stays out; who was not goes on.
async fn after(stage: &Stage, report: &mut Report, number: &DirectiveNumber) -> Result<(), Failure> {
    let step = match stage.gate.connect(&stage.passwords.federal()).await {
        Ok(_) => {
            Step::new("reconnect", "federal-agency", "must not be let in again").must(false, "it was let in")
        }
        Err(refused) => Step::new("reconnect", "federal-agency", "is not let in again")
            .equal("the code", &refused.sqlstate.as_str(), &"57P01")
            .must(
                refused.message.contains(number.to_string().as_str()),
                format!("the words must name {number}"),
            )
            .show(format!("{} {}", refused.sqlstate, refused.message)),
    };
    report.add(step)?;
    let others = match stage.gate.connect(&stage.passwords.police()).await {
        Ok(session) => session
            .client
            .query_one("select count(*) from people", &[])
            .await
            .map_err(Into::into)
            .map(drop),
        Err(refused) => Err(refused),
    };
    let step = Step::new("others", "state-police", "works on, as if nothing had happened");
    report.add(match others {
        Ok(()) => step,
        Err(refused) => step.must(false, format!("{} {}", refused.sqlstate, refused.message)),
    })
}
