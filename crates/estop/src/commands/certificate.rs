//! `estop certificate`: issued by a running `estop serve`, checked by anyone.

use std::collections::BTreeMap;
use std::path::Path;

use control::api::{CertificateAnswer, CertificateRequest, Until};
use evidence::certificate::{self, Check, Finding, Refuted, Report, Witnessed};
use evidence::id::DirectiveNumber;
use evidence::note::VerifierKey;
use evidence::witness_policy::{Cosigned, MAX_POLICY_BYTES, WitnessPolicy};

use crate::admin::Admin;
use crate::cli::Certificate;
use crate::clock;
use crate::custodian::KEY_BYTES_MAX;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::files::{self, Readers};
use crate::output::{Console, Tone};

mod page;

/// Longest certificate that is read: one with ten thousand cut sessions has about 10 MB.
const CERTIFICATE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Runs the command.
///
/// # Errors
/// A file or the key is not usable, or `serve` did not issue it.
pub(super) async fn run(command: &Certificate, folder: &Path, console: Console) -> Result<Exit, Failure> {
    match command {
        Certificate::Issue {
            number,
            until,
            output,
        } => {
            let admin = Admin::at(estate::load(folder)?.state().admin_socket());
            let file = output
                .clone()
                .unwrap_or_else(|| format!("{number}.certificate").into());
            issue(&admin, number, *until, &file).await?;
            console.line(file.display())?;
            console.document(&serde_json::json!({ "number": number, "file": file }))?;
            Ok(Exit::Yes)
        }
        Certificate::Verify {
            file,
            key,
            witnesses,
            html,
        } => {
            let verified = verify(file, key, witnesses.as_deref(), console)?;
            if let Some(html) = html.as_deref().filter(|_| verified == Exit::Yes) {
                write_page(file, key, html)?;
            }
            Ok(verified)
        }
    }
}

/// Has a certificate issued, and writes it to a file that is not there yet.
///
/// # Errors
/// `serve` refuses or does not run, or the file is there already.
pub async fn issue(
    admin: &Admin,
    number: &DirectiveNumber,
    until: Option<Until>,
    file: &Path,
) -> Result<(), Failure> {
    let asked = CertificateRequest { until };
    let answer: CertificateAnswer = admin.post(&format!("/certificate/{number}"), &asked).await?;
    Ok(files::create(file, &answer.certificate, Readers::All)?)
}

/// What came of checking a certificate, file and key given as typed: the same for the command and for the demo.
///
/// # Errors
/// The file or the key cannot be read.
pub fn check(file: &Path, key: &str) -> Result<Result<Report, Refuted>, Failure> {
    let key = public_key(key)?;
    let text = files::read_bytes(file, CERTIFICATE_BYTES_MAX)?;
    Ok(certificate::verify(&text, &key))
}

/// Writes the page of a certificate that holds.
fn write_page(file: &Path, key: &str, html: &Path) -> Result<(), Failure> {
    let key = public_key(key)?;
    let bytes = files::read_bytes(file, CERTIFICATE_BYTES_MAX)?;
    // Checked again: what is shown is what holds, whatever became of the file meanwhile.
    let report = certificate::verify(&bytes, &key)
        .map_err(|error| Failure::wrong(format!("`{}` changes", file.display())).because(&error))?;
    let page = page::page(&bytes, &report, &key, clock::now());
    Ok(files::create(html, &page, Readers::All)?)
}

/// What the witnesses of a policy say of a certificate that holds.
fn ask_policy(file: &Path, policy: &Path) -> Result<Result<Witnessed, String>, Failure> {
    let text = files::read(policy, MAX_POLICY_BYTES)?;
    let policy = WitnessPolicy::parse(&text).map_err(|error| {
        Failure::wrong(format!("`{}` is no policy of witnesses", policy.display()))
            .because(&error)
            .help("lines are `witness NAME VKEY`, `group NAME K MEMBER...`, and one `quorum NAME` (C2SP tlog-policy)")
    })?;
    let bytes = files::read_bytes(file, CERTIFICATE_BYTES_MAX)?;
    Ok(certificate::witnessed(&bytes, &policy))
}

pub(super) fn public_key(typed: &str) -> Result<VerifierKey, Failure> {
    let path = Path::new(typed);
    let text = if path.is_file() {
        files::read(path, KEY_BYTES_MAX)?
    } else {
        typed.to_owned()
    };
    text.trim().parse().map_err(|error| {
        Failure::wrong(format!(
            "`{typed}` is neither a public key nor a file that holds one"
        ))
        .because(&error)
        .help("a public key looks like records.example.org+1a2b3c4d+BASE64; the custodian publishes it")
    })
}

fn verify(file: &Path, key: &str, policy: Option<&Path>, console: Console) -> Result<Exit, Failure> {
    let asked = policy.map(|policy| ask_policy(file, policy)).transpose()?;
    match check(file, key)? {
        Ok(report) => {
            say(&report.checks, console)?;
            let trusted = asked.as_ref().is_none_or(Result::is_ok);
            if let Some(asked) = &asked {
                say_witnesses(asked, console)?;
            }
            for line in summary(&report) {
                console.line(line)?;
            }
            let (tone, verdict) = if trusted {
                (Tone::Good, "the certificate holds")
            } else {
                (Tone::Bad, "the certificate is not witnessed as the policy asks")
            };
            console.line(format!("\n{}", console.paint(tone, verdict)))?;
            console.document(&serde_json::json!({
                "holds": trusted,
                "report": report,
                "witnesses": asked.map(|asked| match asked {
                    Ok(witnessed) => serde_json::json!({
                        "quorum": true,
                        "ledger": cosigned(&witnessed.ledger),
                        "partner_log": cosigned(&witnessed.partner_log),
                    }),
                    Err(why) => serde_json::json!({ "quorum": false, "why": why }),
                }),
            }))?;
            Ok(if trusted { Exit::Yes } else { Exit::No })
        }
        Err(refuted) => {
            say(&refuted.checks, console)?;
            console.line(format!(
                "\n{}",
                console.paint(Tone::Bad, "the certificate does not hold")
            ))?;
            console.document(&serde_json::json!({ "holds": false, "checks": refuted.checks }))?;
            Ok(Exit::No)
        }
    }
}

fn say_witnesses(asked: &Result<Witnessed, String>, console: Console) -> Result<(), Failure> {
    let name = "witnesses";
    match asked {
        Ok(Witnessed { partner_log, .. }) => {
            let by: Vec<&str> = partner_log.by.iter().map(|(name, _)| name.as_str()).collect();
            let until = match partner_log.at {
                Some(at) => format!("say that nothing came after its closing up to {at}"),
                None => "are not asked for by the policy".to_owned(),
            };
            let mark = console.paint(Tone::Good, "✓");
            console.line(format!("{mark}  {name:<22}{} {until}", by.join(", ")))
        }
        Err(why) => {
            let mark = console.paint(Tone::Bad, "✗");
            console.line(format!("{mark}  {name:<22}{}", console.paint(Tone::Bad, why)))
        }
    }
}

fn cosigned(cosigned: &Cosigned) -> serde_json::Value {
    let by: BTreeMap<&str, String> = cosigned
        .by
        .iter()
        .map(|(name, at)| (name.as_str(), at.to_string()))
        .collect();
    serde_json::json!({ "at": cosigned.at.map(|at| at.to_string()), "by": by })
}

fn say(checks: &[Check], console: Console) -> Result<(), Failure> {
    for check in checks {
        let name = check.name;
        let line = match &check.finding {
            Finding::Holds => format!("{}  {name:<22}{}", console.paint(Tone::Good, "✓"), check.compared),
            Finding::Fails(why) => {
                format!(
                    "{}  {name:<22}{}",
                    console.paint(Tone::Bad, "✗"),
                    console.paint(Tone::Bad, why)
                )
            }
            Finding::NotReached(why) => format!("{}  {name:<22}{why}", console.paint(Tone::Notice, "-")),
        };
        console.line(line)?;
    }
    Ok(())
}

/// What a certificate that holds says, in a few lines.
fn summary(report: &Report) -> Vec<String> {
    let people: Vec<_> = report
        .signed_by
        .iter()
        .map(|signed| signed.person.as_str())
        .collect();
    let mut lines = vec![
        String::new(),
        format!(
            "{} {}: {} {}",
            report.custodian, report.directive, report.order, report.partner
        ),
        format!("  basis        {}", report.basis),
        format!("  signed by    {}", people.join(", ")),
        format!("  recorded     {}, epoch {}", report.recorded, report.epoch),
        format!("  sessions cut {}", report.cut.len()),
        format!(
            "  partner log  closed {} with {} entries",
            report.closed, report.partner_log.size
        ),
        format!(
            "  ledger       {} entries, root {}",
            report.ledger.size, report.ledger.root
        ),
        String::new(),
        "It does not show:".to_owned(),
    ];
    lines.extend(report.not_shown.iter().map(|what| format!("  - {what}")));
    lines
}
