//! `estop top`: who is connected and what flows, drawn again and again on a terminal, said once elsewhere.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use control::api::Status;
use jiff::Timestamp;
use serde::Serialize;

use super::sessions::table;
use crate::admin::Admin;
use crate::cli::Top;
use crate::clock;
use crate::demo::report::grouped;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::output::{Console, Tone};
use crate::serve::{ActivityAnswer, ActivityLine};
use crate::signals::Signals;

/// How everything stands at one look.
#[derive(Debug, Serialize)]
struct Look {
    time: Timestamp,
    epoch: u64,
    gateways: Vec<GatewayLine>,
    sessions: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct GatewayLine {
    gateway: String,
    epoch: u64,
    /// Whether its sessions are listed: only its own process knows them.
    listed: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    gateway: String,
    #[serde(flatten)]
    activity: ActivityLine,
}

pub(super) async fn run(command: &Top, folder: &Path, console: Console) -> Result<Exit, Failure> {
    let loaded = estate::load(folder)?;
    let admin = Admin::at(loaded.state().admin_socket());
    if console.is_screen() {
        live(&admin, Duration::from_secs(command.every), console).await?;
        return Ok(Exit::Yes);
    }
    let look = look(&admin).await?;
    for line in lines(&look, None, console) {
        console.line(line)?;
    }
    console.document(&look)?;
    Ok(Exit::Yes)
}

async fn look(admin: &Admin) -> Result<Look, Failure> {
    let status: Status = admin.get("/status").await?;
    let here: ActivityAnswer = admin.get("/activity").await?;
    let gateways = status.gateways.iter().map(|gateway| GatewayLine {
        gateway: gateway.id.clone(),
        epoch: gateway.state.epoch.0,
        listed: gateway.id == here.gateway,
    });
    let gateways = gateways.collect();
    let with_gateway = |activity| Line {
        gateway: here.gateway.clone(),
        activity,
    };
    let mut sessions: Vec<Line> = here.sessions.into_iter().map(with_gateway).collect();
    sessions.sort_by_key(|line| order(&line.activity));
    Ok(Look {
        time: clock::now(),
        epoch: status.epoch.0,
        gateways,
        sessions,
    })
}

/// Whose statement runs longest, then who waits inside a transaction, then who has come last.
fn order(line: &ActivityLine) -> (u8, Option<Timestamp>, Reverse<String>) {
    let class = match (&line.running, line.session.state.as_str()) {
        (Some(_), _) => 0,
        (None, "active") => 1,
        (None, "in-transaction") => 2,
        (None, _) => 3,
    };
    let since = line.running.as_ref().map(|running| running.since);
    (class, since, Reverse(line.session.since.clone()))
}

const TITLES: [&str; 11] = [
    "gateway",
    "session",
    "partner",
    "officer",
    "agreement",
    "purpose",
    "policy",
    "rows",
    "bytes",
    "since",
    "state",
];

/// All of it, as a person reads it. `flow`: rows and bytes of a second, where there was a look before.
fn lines(look: &Look, flow: Option<Flow>, console: Console) -> Vec<String> {
    let working = look
        .sessions
        .iter()
        .filter(|line| line.activity.session.state == "active")
        .count();
    let mut head = format!(
        "policy {}, {} sessions, {working} at work",
        look.epoch,
        look.sessions.len()
    );
    if let Some(Flow { rows, bytes }) = flow {
        head.push_str(&format!(", {} rows/s, {} bytes/s", grouped(rows), grouped(bytes)));
    }
    let mut lines = vec![console.paint(Tone::Strong, head)];
    for gateway in look.gateways.iter().filter(|gateway| !gateway.listed) {
        let words = format!(
            "gateway {} (policy {}) is another process: its sessions are not known here",
            clean(&gateway.gateway),
            gateway.epoch
        );
        lines.push(console.paint(Tone::Notice, words));
    }
    if look.sessions.is_empty() {
        lines.push("nobody is connected".to_owned());
        return lines;
    }
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(look.sessions.iter().map(|line| columns(line, look.time)));
    let texts = std::iter::once("statement".to_owned())
        .chain(look.sessions.iter().map(|line| statement(&line.activity)));
    let table = table(&rows);
    let width = table.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    for (number, (line, text)) in table.into_iter().zip(texts).enumerate() {
        let line = format!("{line:<width$}  {text}").trim_end().to_owned();
        lines.push(if number == 0 {
            console.paint(Tone::Quiet, line)
        } else {
            line
        });
    }
    lines
}

fn columns(line: &Line, now: Timestamp) -> [String; 11] {
    let (session, running) = (&line.activity.session, &line.activity.running);
    let began: Option<Timestamp> = session.since.parse().ok();
    let state = match running {
        Some(running) => format!("runs {}", ago(running.since, now)),
        None => session.state.clone(),
    };
    [
        line.gateway.clone(),
        session.session.clone(),
        session.partner.clone(),
        session.officer.clone(),
        session.agreement.clone(),
        session.purpose.clone(),
        line.activity.epoch.0.to_string(),
        grouped(session.rows),
        grouped(session.bytes),
        began.map_or_else(|| "-".to_owned(), |began| ago(began, now)),
        state,
    ]
    .map(|cell| clean(&cell))
}

fn statement(line: &ActivityLine) -> String {
    match &line.running {
        None => String::new(),
        Some(running) => match &running.text {
            None => "(under seal)".to_owned(),
            Some(text) if running.longer => format!("{} ...", clean(text)),
            Some(text) => clean(text),
        },
    }
}

/// A text on one line, with nothing in it that a terminal would act on or that would turn it around: it is the partner's.
fn clean(text: &str) -> String {
    let shown = |char: char| {
        let turns = matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if char.is_control() || turns { ' ' } else { char }
    };
    let line: String = text.chars().map(shown).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long ago, as short as it can be said: `12s`, `3m05s`, `2h07m`, `3d04h`.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// What flows in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flow {
    rows: u64,
    bytes: u64,
}

/// What each session had been given at the last look.
#[derive(Debug, Default)]
struct Before {
    at: Option<Instant>,
    given: HashMap<String, (u64, u64)>,
}

impl Before {
    /// What has flowed since. Of a session that has gone in between the end is not seen.
    fn flow(&mut self, look: &Look, now: Instant) -> Option<Flow> {
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        let mut given = HashMap::with_capacity(look.sessions.len());
        for line in &look.sessions {
            let session = &line.activity.session;
            let (rows_before, bytes_before) = self.given.get(&session.session).copied().unwrap_or_default();
            rows = rows.saturating_add(session.rows.saturating_sub(rows_before));
            bytes = bytes.saturating_add(session.bytes.saturating_sub(bytes_before));
            given.insert(session.session.clone(), (session.rows, session.bytes));
        }
        let before = std::mem::replace(self, Self { at: Some(now), given });
        let passed = now.duration_since(before.at?).as_millis().max(1);
        let a_second = |count: u64| {
            let count = u128::from(count).saturating_mul(1000) / passed;
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        Some(Flow {
            rows: a_second(rows),
            bytes: a_second(bytes),
        })
    }
}

/// The other screen of a terminal, with lines that are cut off at its edge (xterm's 1049 and DECAWM); dropping it brings the
/// first one back as it was.
struct Screen;

impl Screen {
    fn open() -> Result<Self, Failure> {
        put("\u{1b}[?1049h\u{1b}[?7l\u{1b}[?25l")?;
        Ok(Self)
    }

    fn draw(&self, mut lines: Vec<String>) -> Result<(), Failure> {
        let height = rustix::termios::tcgetwinsize(io::stdout())
            .map(|size| usize::from(size.ws_row))
            .ok()
            .filter(|rows| *rows > 1);
        if let Some(height) = height.filter(|height| lines.len() > *height) {
            let more = lines.len().saturating_sub(height.saturating_sub(1));
            lines.truncate(height.saturating_sub(1));
            lines.push(format!("and {more} more: in a pipe all are listed"));
        }
        // Each line is drawn over the one before, so that nothing flickers.
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\u{1b}[K")).collect();
        put(&format!("\u{1b}[H{}\u{1b}[J", lines.join("\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing brought back.
        let _ = put("\u{1b}[?25h\u{1b}[?7h\u{1b}[?1049l");
    }
}

fn put(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

async fn live(admin: &Admin, every: Duration, console: Console) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut before = Before::default();
    let first = look(admin).await?;
    let screen = Screen::open()?;
    let mut now = first;
    loop {
        let flow = before.flow(&now, clock::monotonic());
        screen.draw(lines(&now, flow, console))?;
        tokio::select! {
            () = signals.received() => return Ok(()),
            () = tokio::time::sleep(every) => {}
        }
        now = tokio::select! {
            () = signals.received() => return Ok(()),
            next = look(admin) => next?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn how_long_ago_is_short() {
        for (seconds, words) in [
            (-5, "0s"),
            (59, "59s"),
            (185, "3m05s"),
            (7_620, "2h07m"),
            (273_600, "3d04h"),
        ] {
            assert_eq!(ago(at(0), at(seconds)), words);
        }
    }

    #[test]
    fn a_statement_cannot_act_on_the_terminal() {
        let text = "select '\u{1b}[2J\u{9b}31m'\r\n\t,\u{202e} 'x'";
        assert_eq!(clean(text), "select ' [2J 31m' , 'x'");
    }

    fn look_at(sessions: &[(&str, u64, Option<i64>)]) -> Look {
        let line = |(name, rows, running): &(&str, u64, Option<i64>)| {
            let activity = serde_json::from_value(serde_json::json!({
                "session": name, "partner": "p", "officer": "o", "agreement": "a", "purpose": "u", "case": null,
                "client": "192.0.2.1:5", "application": null, "since": "2026-11-23T17:00:00Z", "statements": 1,
                "rows": rows, "bytes": rows * 10, "state": if running.is_some() { "active" } else { "idle" }, "epoch": 3,
                "running": running.map(|at_second| serde_json::json!({
                    "statement": 1, "since": at(at_second), "text": null, "longer": false })),
            }));
            Line {
                gateway: "gateway-1".to_owned(),
                activity: activity.unwrap(),
            }
        };
        Look {
            time: at(0),
            epoch: 3,
            gateways: vec![],
            sessions: sessions.iter().map(line).collect(),
        }
    }

    #[test]
    fn who_has_worked_longest_comes_first() {
        let mut look = look_at(&[("idle", 0, None), ("short", 0, Some(9)), ("long", 0, Some(1))]);
        look.sessions.sort_by_key(|line| order(&line.activity));
        let names: Vec<_> = look
            .sessions
            .iter()
            .map(|line| line.activity.session.session.as_str())
            .collect();
        assert_eq!(names, ["long", "short", "idle"]);
    }

    #[test]
    fn what_flows_is_what_came_since_the_last_look() {
        let mut before = Before::default();
        let start = clock::monotonic();
        assert_eq!(before.flow(&look_at(&[("a", 100, None)]), start), None);
        let later = start.checked_add(Duration::from_secs(2)).unwrap();
        let flow = before.flow(&look_at(&[("a", 500, None), ("b", 100, None)]), later);
        assert_eq!(
            flow,
            Some(Flow {
                rows: 250,
                bytes: 2_500
            })
        );
    }
}
