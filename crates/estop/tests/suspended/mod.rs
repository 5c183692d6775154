//! A suspension by the command line: its preview, its certificate as a page, and both of its ends.

use std::path::{Path, PathBuf};

use crate::PARTNER;
use crate::stage::desk::{Desk, NAMESPACE, refused, said};
use crate::stage::office::Office;
use crate::stage::wait_for;

/// A partner is suspended, certified as that, and given back by two others' word, or by the time.
#[test]
fn a_suspension_from_the_draft_to_its_end() {
    suspension(&Office::open());
}

/// The partner's databases in its airlock go with the suspension, and are made anew.
#[test]
#[ignore = "as long again: make soak"]
fn a_suspension_in_an_airlock() {
    suspension(&Office::open_in("airlock", |_| ()));
}

fn suspension(office: &Office) {
    let desk = Desk::at(&office.path(""));
    let partner = office.login(PARTNER);
    assert!(!partner.query("select count(*) from people").is_empty());
    let draw_up = |name: &str, args: &[&str]| {
        let file = desk.folder.join(name);
        let drawn = [&["directive", "new"], args, &["-o", file.to_str().unwrap()]].concat();
        let drawn = office.estop(&drawn);
        assert!(drawn.status.success(), "{}", said(&drawn));
        for told in ["What is signed for", "officer "] {
            assert!(said(&drawn).contains(told), "{}", said(&drawn));
        }
        file
    };
    let submit = |file: &Path, who: &[&str]| {
        for who in who {
            desk.sign(file, who, NAMESPACE);
        }
        office.estop(&["directive", "submit", file.to_str().unwrap()])
    };
    let words = ["--grounds", "Searches <without> a case", "--contact", "Counsel"];
    let long = [
        &["suspend", PARTNER, "--until", "2090-01-01T00:00:00Z"],
        &words[..],
    ]
    .concat();
    let order = draw_up("suspension", &long);
    refused(
        &submit(&order, &["mayor"]),
        "only `mayor@city.example` has signed",
    );
    let preview = PathBuf::from(format!("{}.preview", order.display()));
    let text = std::fs::read_to_string(&preview).unwrap();
    assert!(text.contains("\nsuspends state-police-2018 for "), "{text}");
    let show = || office.estop(&["directive", "show", order.to_str().unwrap()]);
    assert!(said(&show()).contains(&text), "{}", said(&show()));
    std::fs::write(&preview, text.replace("suspends ", "leaves ")).unwrap();
    refused(&show(), "is not the preview that directive");
    let done = submit(&order, &["counsel"]);
    assert!(done.status.success(), "{}", said(&done));
    let refusal = partner.refused("select 1");
    assert!(
        refusal.contains("is suspended until 2090-01-01T00:00:00Z"),
        "{refusal}"
    );
    let number = std::fs::read_to_string(&order).unwrap();
    let number = number
        .lines()
        .find_map(|line| line.strip_prefix("number "))
        .unwrap();
    let (file, html) = (desk.folder.join("certificate"), desk.folder.join("page.html"));
    let issued = office.estop(&[
        "certificate",
        "issue",
        number,
        "--until",
        "now",
        "-o",
        file.to_str().unwrap(),
    ]);
    assert!(issued.status.success(), "{}", said(&issued));
    let key = office.path("state/custodian.vkey");
    let verified = office.estop(&[
        "certificate",
        "verify",
        file.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
    ]);
    assert!(verified.status.success(), "{}", said(&verified));
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(
        page.contains("Grounds    Searches &lt;without&gt; a case"),
        "{page}"
    );
    assert!(!page.contains("<without>") && !page.contains("<script"));
    for tag in page
        .split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap())
    {
        assert!(!tag.contains("http:") && !tag.contains("src="), "{tag}");
    }

    // Given back, and what was open before is open again.
    let back = draw_up("reinstatement", &["reinstate", number]);
    refused(&submit(&back, &["mayor"]), "only `mayor@city.example` has signed");
    let done = submit(&back, &["counsel"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(!partner.query("select count(*) from people").is_empty());
    assert_eq!(office.estop(&["drift"]).status.code(), Some(0));
    let late = office.estop(&["certificate", "issue", number]);
    refused(&late, "has been given back");

    // A short one ends by itself.
    let until = estop::clock::now()
        .checked_add(jiff::SignedDuration::from_secs(15))
        .unwrap();
    let until = jiff::Timestamp::from_second(until.as_second())
        .unwrap()
        .to_string();
    let order = draw_up("short", &["suspend", PARTNER, "--until", &until]);
    let done = submit(&order, &["mayor", "counsel"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(partner.refused("select 1").contains(&until));
    wait_for("the suspension to lapse", || {
        partner.psql(&["select 1"]).status.success()
    });
    assert_eq!(office.estop(&["drift"]).status.code(), Some(0));
}
