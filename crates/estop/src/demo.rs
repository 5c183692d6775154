//! `estop demo`: the whole of Estop on one machine, as a story that asserts what it tells.

pub mod cast;
pub mod certificates;
mod closing;
pub mod download;
pub mod estate;
pub mod incidents;
pub mod load;
pub mod partner;
pub mod people;
pub mod random;
pub mod report;
pub mod stage;
mod story;

use evidence::id::DirectiveNumber;

use crate::cli::Demo;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::signals::Signals;
use report::Report;
use stage::Stage;

/// Plays the story; then keeps serving until a signal, or ends.
///
/// # Errors
/// Something needed is not there.
pub async fn run(demo: &Demo, console: Console) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let mut report = Report::new(console);
    console.line(console.paint(
        Tone::Strong,
        "A records office shares with four partners, and cuts one of them off",
    ))?;
    let played = async {
        let stage = Stage::set(demo.dir.as_deref(), demo.isolation.as_deref(), &mut report).await?;
        let number = story::play(&stage, &mut report).await?;
        Ok::<_, Failure>((stage, number))
    };
    let (mut stage, number) = tokio::select! {
        played = played => played?,
        () = signals.received() => return Err(Failure::no("interrupted before the end of the story")),
    };
    let ended = end(demo, console, &report, &mut stage, &number, &mut signals).await;
    stage.strike().await;
    ended
}

async fn end(
    demo: &Demo,
    console: Console,
    report: &Report,
    stage: &mut Stage,
    number: &DirectiveNumber,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    closing::verdict(console, report)?;
    if !demo.once {
        closing::invitation(console, stage, number)?;
    }
    console.document(&closing::document(report, stage, number))?;
    if !demo.once {
        tokio::select! {
            () = signals.received() => console.line("\nended")?,
            failure = stage.serving.failed() => return Err(failure),
        }
    }
    Ok(if report.holds() { Exit::Yes } else { Exit::No })
}
