//! What a directive does is what those who signed it were told, or whoever hands it in has seen what it does by now.

use control::ControlError;
use control::api::DraftRequest;
use evidence::directive::Directive;
use evidence::hash::sha256;

use crate::world::{World, investigation, request, sign};

fn said(error: &ControlError) -> (String, String) {
    match error {
        ControlError::OtherPreview { preview, sha256, .. } => (preview.clone(), sha256.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_says_what_ends_and_what_stays() {
    let world = World::applied(&[]).await;
    let narrowed = DraftRequest {
        purpose: Some("audit".parse().unwrap()),
        ..request("police")
    };
    let draft = world.control.draw_up(narrowed).await.unwrap();
    let role = |purpose| crate::world::role("police-2018", purpose);
    assert_eq!(
        draft.preview,
        format!(
            "estop/preview/v1\nterminate police\nends police-2018 for audit: people (role {})\n\
             stays open police-2018 for investigation: people (role {})\nofficer police.ada\n",
            role("audit"),
            role("investigation")
        )
    );
    let directive = Directive::parse(draft.text.as_bytes()).unwrap();
    assert_eq!(directive.preview, Some(sha256(draft.preview.as_bytes())));
    let used = draft.used.unwrap();
    assert_eq!((used.statements, used.rows), (0, 0));
}

#[tokio::test]
async fn a_directive_that_does_something_else_by_now_asks_again() {
    let world = World::applied(&[]).await;
    let early = world.draw_up("police").await;
    let narrowed = DraftRequest {
        purpose: Some("audit".parse().unwrap()),
        ..request("police")
    };
    let between = world.control.draw_up(narrowed).await.unwrap();
    assert!(world.submit(&between.text).await.unwrap().complete);
    // Both were drawn up with one number.
    let (number, next) = (early.number.as_str(), world.draw_up("police").await.number);
    let text = early.text.replace(number, next.as_str());
    let (mayor, counsel) = (sign("mayor", &text), sign("counsel", &text));
    let size = world.ledger.size();
    let refused = world.submit(&text).await.unwrap_err();
    let (preview, sha256) = said(&refused);
    assert!(
        preview.contains(&format!("closed already, by {number}: police-2018 for audit")),
        "{preview}"
    );
    assert_eq!(refused.class().exit_code(), 1);
    assert!(refused.remedy().contains(&format!("--despite {sha256}")));
    // Not with what was seen before, nor with anything else.
    let before = evidence::hash::sha256(early.preview.as_bytes()).to_hex();
    for despite in [before.as_str(), "", sha256.get(1..).unwrap()] {
        let refused = world
            .control
            .submit_despite(text.as_bytes(), &[&mayor, &counsel], Some(despite))
            .await;
        assert_eq!(said(&refused.unwrap_err()).1, sha256);
    }
    assert_eq!(world.ledger.size(), size);
    assert!(world.log_in(&investigation()).await.is_ok());
    // One signature is not enough for it either.
    let alone = world
        .control
        .submit_despite(text.as_bytes(), &[&mayor], Some(&sha256))
        .await;
    assert!(matches!(alone, Err(ControlError::NotApproved(_))), "{alone:?}");
    let done = world
        .control
        .submit_despite(text.as_bytes(), &[&mayor, &counsel], Some(&sha256))
        .await
        .unwrap();
    assert!(done.complete, "{done:#?}");
    // Taken up again it is not compared with what it has done itself.
    assert_eq!(world.submit(&text).await.unwrap(), done);
}

#[tokio::test]
async fn a_preview_of_something_else_is_refused() {
    let world = World::applied(&[]).await;
    let (police, transit) = (world.draw_up("police").await, world.draw_up("transit").await);
    let hash = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("preview ")).unwrap();
        line.to_owned()
    };
    let text = police.text.replace(&hash(&police.text), &hash(&transit.text));
    assert_ne!(text, police.text);
    let refused = world.submit(&text).await.unwrap_err();
    assert_eq!(said(&refused).0, police.preview);
}
