//! The admin API over its socket.

use axum::Router;
use axum::routing::get;
use control::api::{
    CertificateAnswer, DirectiveDraft, DirectiveSummary, ErrorAnswer, Health, MAX_BODY_BYTES, Outcome,
    PlanAnswer, Status,
};
use control::{AppliedPlans, Served, serve_admin};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};

use crate::world::{World, sign};

struct Api {
    world: World,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Api {
    async fn new() -> Self {
        let world = World::new().await;
        let listener = UnixListener::bind(world.dir.path().join("admin.sock")).unwrap();
        let extra = Router::new().route("/sessions", get(|| async { "none" }));
        let serving = tokio::spawn(serve_admin(listener, Served::new(world.control.clone()), extra));
        Self { world, serving }
    }

    async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let stream = UnixStream::connect(self.world.dir.path().join("admin.sock"))
            .await
            .unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "estop");
        let response = sender
            .send_request(request.body(Full::new(Bytes::from(body))).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes().to_vec(),
        )
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.send("GET", path, Vec::new()).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> T {
        let (status, answer) = self.send("POST", path, body.to_string().into_bytes()).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap()
    }

    async fn refused(&self, path: &str, body: &str) -> (u16, ErrorAnswer) {
        let (status, answer) = self.send("POST", path, body.as_bytes().to_vec()).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        (
            status,
            serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{error}: {text}")),
        )
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tokio::test]
async fn from_plan_to_certificate() {
    let api = Api::new().await;
    let gateway = api.world.gateway("g1");
    let plan: PlanAnswer = api.get("/plan").await;
    let shown = json!({"shown": [[plan.plans[0].upstream, plan.plans[0].fingerprint]]});
    let applied: AppliedPlans = api.post("/apply", &shown).await;
    assert!(applied.moved);
    assert!(api.get::<PlanAnswer>("/plan").await.plans[0].steps.is_empty());
    let draft: DirectiveDraft = api
        .post(
            "/directive/draft",
            &json!({"partner": "police", "basis": "Order 1"}),
        )
        .await;
    let signatures = [sign("mayor", &draft.text), sign("counsel", &draft.text)];
    let outcome: Outcome = api
        .post(
            "/directive",
            &json!({"text": draft.text, "signatures": signatures}),
        )
        .await;
    assert!(outcome.complete, "{outcome:#?}");
    let listed: Vec<DirectiveSummary> = api.get("/directives").await;
    assert_eq!(listed[0].people, ["mayor", "counsel"]);
    let certificate: CertificateAnswer = api
        .post(&format!("/certificate/{}", draft.number), &json!({}))
        .await;
    assert!(certificate.certificate.contains(draft.number.as_str()));
    let status: Status = api.get("/status").await;
    let ended = status
        .purposes
        .iter()
        .filter(|line| line.ended_by.as_ref() == Some(&draft.number))
        .count();
    assert_eq!(ended, 2);
    assert_eq!(status.gateways[0].state.drained, [draft.number]);
    let police = status
        .partners
        .iter()
        .find(|line| line.id.as_str() == "police")
        .unwrap();
    assert!(!police.log.as_ref().unwrap().open);
    assert_eq!(api.get::<Health>("/health").await.epoch, status.epoch);
    assert_eq!(api.send("GET", "/sessions", Vec::new()).await.1, b"none");
    gateway.abort();
}

#[tokio::test]
async fn every_error_says_what_where_and_what_would_be_right() {
    let api = Api::new().await;
    let cases = [
        ("/directive", r#"{"text": "x", "signatures": []}"#, 409, 1),
        ("/directive", "not json", 400, 2),
        (
            "/directive",
            r#"{"text": "x", "signatures": [], "more": 1}"#,
            400,
            2,
        ),
        ("/directive", "", 400, 2),
        ("/directive/draft", r#"{"partner": "navy", "basis": "x"}"#, 400, 2),
        ("/directive/draft", r#"{"partner": "../x", "basis": "x"}"#, 400, 2),
        (
            "/directive/draft",
            r#"{"partner": "police", "basis": "two\nlines"}"#,
            400,
            2,
        ),
        (
            "/directive/draft",
            r#"{"partner": "police", "basis": "x", "hours": 4294967295}"#,
            400,
            2,
        ),
        ("/certificate/D-2026-0009", "", 400, 2),
        ("/certificate/nonsense", "", 400, 2),
    ];
    for (path, body, status, exit) in cases {
        let (got, answer) = api.refused(path, body).await;
        let error = answer.error;
        assert_eq!((got, error.exit_code), (status, exit), "{path} {body}: {error:?}");
        assert!(!error.what.is_empty() && !error.right.is_empty());
        assert_eq!(error.place, format!("POST {path}"));
    }
    let (status, _) = api.refused("/directive", &"x".repeat(MAX_BODY_BYTES + 1)).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_something_missing() {
    let mut api = Api::new().await;
    api.world.server.stop();
    let (status, answer) = api.refused("/apply", "").await;
    assert_eq!((status, answer.error.exit_code), (503, 3), "{answer:?}");
}

#[tokio::test]
async fn work_goes_on_when_its_client_goes_away() {
    let api = Api::new().await;
    api.world.control.apply(&[]).await.unwrap();
    let draft = api.world.draw_up("police").await;
    let signatures = [sign("mayor", &draft.text), sign("counsel", &draft.text)];
    let body = json!({"text": draft.text, "signatures": signatures}).to_string();
    let sent = tokio::time::timeout(
        std::time::Duration::from_millis(30),
        api.send("POST", "/directive", body.into_bytes()),
    );
    let _ = sent.await;
    // Whoever works holds the lock; this waits for it and finds it done, or does it.
    let outcome = api.world.submit(&draft.text).await.unwrap();
    assert!(outcome.complete);
    let carried = api.world.ledger.entries(0..api.world.ledger.size()).unwrap();
    let carried =
        carried.filter(|s| s.as_ref().unwrap().parse().unwrap().kind == evidence::entry::Kind::CarriedOut);
    assert_eq!(carried.count(), 1);
}
