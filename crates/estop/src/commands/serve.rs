//! `estop serve`: gateway and control until a signal comes, or the ledger fails.

use std::path::Path;

use crate::activation;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::serve::Serving;
use crate::signals::Signals;

pub(super) async fn run(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let loaded = estate::load(folder)?;
    let mut serving = Serving::start(&loaded, activation::listener()?).await?;
    activation::ready();
    let key = crate::custodian::public_key(&loaded.state())?;
    let custodian = &loaded.estate.custodian().name;
    console.line(format!("{} {custodian}", console.paint(Tone::Strong, "serving")))?;
    console.line(format!("  gateway     {}", serving.address()))?;
    console.line(format!(
        "  control     {}",
        loaded.state().admin_socket().display()
    ))?;
    console.line(format!("  public key  {key}"))?;
    if let Some(memory) = serving.airlock_memory() {
        console.line(format!("  airlocks    {memory}"))?;
    }
    console.document(&serde_json::json!({
        "custodian": custodian,
        "gateway": serving.address(),
        "admin_socket": loaded.state().admin_socket(),
        "public_key": key.to_string(),
        "airlock_memory": serving.airlock_memory(),
    }))?;
    tokio::select! {
        () = signals.received() => {}
        failure = serving.failed() => return Err(failure),
    }
    activation::ending();
    console.line("ending: statements in flight may finish")?;
    serving.stop().await;
    Ok(Exit::Yes)
}
