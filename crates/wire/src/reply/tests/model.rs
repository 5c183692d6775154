//! A server in miniature, used twice: once refusing by itself (what the client must see), once behind the machine.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;

/// What happens to a message when the server works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    Fails,
    /// The gateway refuses it. The server alone treats it as a failure.
    Refused,
}

type Message = (Sent<u32>, Outcome);

/// Works on messages as `postgres.c` does; replies are letters, `!` a refusal.
#[derive(Debug, Default)]
struct Server {
    skipping: bool,
}

impl Server {
    fn work(&mut self, (message, outcome): Message) -> Vec<u8> {
        if let Sent::Sync = message {
            self.skipping = false;
            return if outcome == Outcome::Fails {
                b"EZ".to_vec()
            } else {
                b"Z".to_vec()
            };
        }
        if self.skipping {
            return Vec::new();
        }
        let error = match outcome {
            Outcome::Fine => None,
            Outcome::Fails => Some(b'E'),
            Outcome::Refused => Some(b'!'),
        };
        match (message, error) {
            (Sent::Query(0), None) => b"IZ".to_vec(),
            (Sent::Query(_), None) => b"TDDCCZ".to_vec(),
            (Sent::Query(_), Some(b'!')) => b"!Z".to_vec(),
            (Sent::Query(_), Some(error)) => vec![b'T', b'D', error, b'Z'],
            (_, Some(error)) => {
                self.skipping = true;
                vec![error]
            }
            (Sent::Parse, None) => b"1".to_vec(),
            (Sent::Bind, None) => b"2".to_vec(),
            (Sent::Close, None) => b"3".to_vec(),
            (Sent::DescribeStatement, None) => b"tT".to_vec(),
            (Sent::DescribePortal, None) => b"n".to_vec(),
            (Sent::Execute(_), None) => b"DDs".to_vec(),
            (Sent::Sync, None) => unreachable!("answered above"),
        }
    }
}

/// A gateway between the client and such a server.
#[derive(Debug, Default)]
struct Gateway {
    replies: Replies<u32, ()>,
    server: Server,
    /// Sent to the server, not worked on yet.
    inbox: VecDeque<Message>,
    /// Sent by the server, not received yet.
    outbox: VecDeque<u8>,
    client: Vec<u8>,
}

impl Gateway {
    fn take(&mut self, (message, outcome): Message) {
        let is_sync = matches!(message, Sent::Sync);
        if self.replies.skipping() && !is_sync {
            return;
        }
        match (message, outcome) {
            (Sent::Query(_), Outcome::Refused) => {
                self.replies.refuse_query(()).unwrap();
                self.inbox.push_back((Sent::Query(0), Outcome::Fine));
            }
            (_, Outcome::Refused) if !is_sync => {
                if let Refusal::Due(()) = self.replies.refuse(()) {
                    self.client.push(b'!');
                }
            }
            _ => {
                self.replies.sent(message).unwrap();
                self.inbox.push_back((message, outcome));
            }
        }
    }

    fn server_works(&mut self) {
        if let Some(message) = self.inbox.pop_front() {
            self.outbox.extend(self.server.work(message));
        }
    }

    fn receive(&mut self) {
        let Some(tag) = self.outbox.pop_front() else {
            return;
        };
        let step = self.replies.receive(tag).unwrap();
        match step.reply {
            Reply::Instead(()) => self.client.push(b'!'),
            _ => self.client.push(tag),
        }
        self.client.extend(step.then.map(|()| b'!'));
    }
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    use Sent::{Bind, Close, DescribePortal, DescribeStatement, Execute, Parse, Query, Sync};
    let sent = vec![
        Query(1),
        Query(2),
        Parse,
        Bind,
        DescribeStatement,
        DescribePortal,
        Execute(3),
        Close,
        Sync,
        Sync,
        Sync,
    ];
    let outcome =
        prop_oneof![4 => Just(Outcome::Fine), 1 => Just(Outcome::Fails), 1 => Just(Outcome::Refused)];
    vec((prop::sample::select(sent), outcome), 0..40)
}

proptest! {
    /// Whatever is refused, fails or is skipped, and however late replies come, the client sees what a server would have
    /// sent that refuses by itself.
    #[test]
    fn refusals_look_like_the_servers_own(script in messages(), timing in vec(0_u8..3, 1..200)) {
        let mut alone = Server::default();
        let wanted: Vec<u8> = script.iter().flat_map(|message| alone.work(*message)).collect();

        let mut gateway = Gateway::default();
        let mut script: VecDeque<Message> = script.into();
        for turn in timing.iter().cycle() {
            match turn {
                0 => {
                    if let Some(message) = script.pop_front() {
                        gateway.take(message);
                    }
                }
                1 => gateway.server_works(),
                _ => gateway.receive(),
            }
            if script.is_empty() {
                break;
            }
            if !timing.contains(&0) {
                script.drain(..).for_each(|message| gateway.take(message));
                break;
            }
        }
        while !gateway.inbox.is_empty() || !gateway.outbox.is_empty() {
            gateway.server_works();
            while !gateway.outbox.is_empty() {
                gateway.receive();
            }
        }
        prop_assert_eq!(String::from_utf8_lossy(&gateway.client), String::from_utf8_lossy(&wanted));
        prop_assert!(gateway.replies.is_idle());
    }
}
