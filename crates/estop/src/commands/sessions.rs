//! `estop sessions`: who is connected.

use std::path::Path;

use crate::admin::Admin;
use crate::demo::report::grouped;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::serve::SessionLine;

pub(super) async fn run(folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let sessions: Vec<SessionLine> = Admin::at(loaded.state().admin_socket()).get("/sessions").await?;
    if sessions.is_empty() {
        console.line("nobody is connected")?;
    } else {
        let mut rows = vec![TITLES.map(str::to_owned)];
        rows.extend(sessions.iter().map(columns));
        for (number, line) in table(&rows).into_iter().enumerate() {
            console.line(if number == 0 {
                console.paint(Tone::Quiet, line)
            } else {
                line
            })?;
        }
    }
    console.document(&serde_json::json!({ "sessions": sessions }))?;
    Ok(Exit::Yes)
}

const TITLES: [&str; 8] = [
    "session",
    "partner",
    "officer",
    "agreement",
    "purpose",
    "case",
    "rows",
    "state",
];

fn columns(session: &SessionLine) -> [String; 8] {
    [
        session.session.clone(),
        session.partner.clone(),
        session.officer.clone(),
        session.agreement.clone(),
        session.purpose.clone(),
        session.case.clone().unwrap_or_else(|| "-".to_owned()),
        grouped(session.rows),
        session.state.clone(),
    ]
}

/// Lines with columns under each other.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let width = |at: usize| {
        rows.iter()
            .filter_map(|row| row.get(at))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    rows.iter()
        .map(|row| {
            let cells = row
                .iter()
                .enumerate()
                .map(|(at, cell)| format!("{cell:<0$}", width(at)));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let row = |text: &str| [text, "b", "c", "d", "e", "f", "g", text].map(str::to_owned);
        let lines = table(&[row("a"), row("longer")]);
        assert_eq!(
            lines,
            ["a       b  c  d  e  f  g  a", "longer  b  c  d  e  f  g  longer"]
        );
    }
}
