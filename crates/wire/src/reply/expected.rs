//! One expected reply: which messages may come for it, in which order, and which one is its last.

use super::{OutOfPlace, Reply, Sent};

/// What is expected for one message of the client.
#[derive(Debug)]
pub(super) enum Expected<I, L> {
    Query(I),
    /// An empty query stands upstream for a refused one; the error is taken out when its turn comes.
    RefusedQuery(Option<L>),
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute(I),
    Close,
    Sync,
    /// Nothing is upstream for this; the error is ours.
    Refused(L),
}

/// How far the reply to the foremost message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing has come.
    Start,
    /// The types of a statement's parameters have come.
    Types,
    /// Columns or rows have come.
    Rows,
    /// COPY data is coming.
    Copying,
    /// COPY data has ended.
    Copied,
    /// The server wanted COPY data and is to be told no: an error must follow.
    CopyRefused,
    /// One statement of a simple query is complete.
    Between,
    /// An empty query: only ReadyForQuery can follow.
    Empty,
    /// An error came: only ReadyForQuery can follow.
    Failed,
}

/// The reply, and how it goes on; `None`: that was the last message for it.
type Next<I, L> = (Reply<I, L>, Option<Progress>);

impl<I, L> From<Sent<I>> for Expected<I, L> {
    fn from(message: Sent<I>) -> Self {
        match message {
            Sent::Query(id) => Self::Query(id),
            Sent::Parse => Self::Parse,
            Sent::Bind => Self::Bind,
            Sent::DescribeStatement => Self::DescribeStatement,
            Sent::DescribePortal => Self::DescribePortal,
            Sent::Execute(id) => Self::Execute(id),
            Sent::Close => Self::Close,
            Sent::Sync => Self::Sync,
        }
    }
}

impl<I: Copy, L> Expected<I, L> {
    /// The statement that it runs.
    pub(super) fn statement(&self) -> Option<I> {
        match self {
            Self::Query(id) | Self::Execute(id) => Some(*id),
            _ => None,
        }
    }

    /// Whether ReadyForQuery is the last message for it, also after an error.
    pub(super) fn ends_by_ready(&self) -> bool {
        matches!(self, Self::Query(_) | Self::RefusedQuery(_) | Self::Sync)
    }

    /// Whether the server sends all it has once it has worked on this.
    pub(super) fn flushes(&self) -> bool {
        self.ends_by_ready()
    }

    /// The server's next message for this is of type `tag`.
    pub(super) fn step(&mut self, progress: Progress, tag: u8) -> Result<Next<I, L>, OutOfPlace> {
        match self {
            Self::Query(id) => query(*id, progress, tag),
            Self::Execute(id) => execute(*id, progress, tag),
            Self::RefusedQuery(error) => match (progress, tag, error.take()) {
                (Progress::Start, b'I', Some(error)) => Ok((Reply::Instead(error), Some(Progress::Empty))),
                (Progress::Empty | Progress::Failed, b'Z', _) => Ok((Reply::Ready(None), None)),
                _ => out_of_place(tag, "in answer to an empty query"),
            },
            Self::Parse => acknowledged(tag, b'1', "in answer to Parse"),
            Self::Bind => acknowledged(tag, b'2', "in answer to Bind"),
            Self::Close => acknowledged(tag, b'3', "in answer to Close"),
            Self::DescribePortal => match tag {
                b'T' | b'n' => Ok((Reply::Described(None), None)),
                _ => out_of_place(tag, "in answer to Describe of a portal"),
            },
            Self::DescribeStatement => match (progress, tag) {
                (Progress::Start, b't') => Ok((Reply::Described(None), Some(Progress::Types))),
                (Progress::Types, b'T' | b'n') => Ok((Reply::Described(None), None)),
                _ => out_of_place(tag, "in answer to Describe of a statement"),
            },
            Self::Sync => match tag {
                b'Z' => Ok((Reply::Ready(None), None)),
                _ => out_of_place(tag, "in answer to Sync"),
            },
            Self::Refused(_) => out_of_place(tag, "in answer to nothing that was sent"),
        }
    }
}

fn out_of_place<T>(tag: u8, place: &'static str) -> Result<T, OutOfPlace> {
    Err(OutOfPlace { tag, place })
}

fn acknowledged<I, L>(tag: u8, wanted: u8, place: &'static str) -> Result<Next<I, L>, OutOfPlace> {
    if tag == wanted {
        Ok((Reply::Acknowledged, None))
    } else {
        out_of_place(tag, place)
    }
}

fn query<I, L>(id: I, progress: Progress, tag: u8) -> Result<Next<I, L>, OutOfPlace> {
    use Progress::{Between, Copied, Copying, Empty, Failed, Rows, Start};
    Ok(match (progress, tag) {
        (Start | Between, b'T') => (Reply::Described(Some(id)), Some(Rows)),
        (Rows, b'D') => (Reply::Row(id), Some(Rows)),
        (Start | Between | Rows | Copied, b'C') => (Reply::Completed(id), Some(Between)),
        (Start | Between, b'H') => (Reply::CopyBegins(id), Some(Copying)),
        (Copying, b'd') => (Reply::CopyData(id), Some(Copying)),
        (Copying, b'c') => (Reply::CopyEnds(id), Some(Copied)),
        (Start, b'I') => (Reply::Completed(id), Some(Empty)),
        (Between | Empty | Failed, b'Z') => (Reply::Ready(Some(id)), None),
        _ => return out_of_place(tag, "in answer to a simple query"),
    })
}

fn execute<I, L>(id: I, progress: Progress, tag: u8) -> Result<Next<I, L>, OutOfPlace> {
    use Progress::{Copied, Copying, Rows, Start};
    Ok(match (progress, tag) {
        (Start | Rows, b'D') => (Reply::Row(id), Some(Rows)),
        (Start | Rows | Copied, b'C') => (Reply::Completed(id), None),
        (Start | Rows, b's') => (Reply::Suspended(id), None),
        (Start, b'I') => (Reply::Completed(id), None),
        (Start, b'H') => (Reply::CopyBegins(id), Some(Copying)),
        (Copying, b'd') => (Reply::CopyData(id), Some(Copying)),
        (Copying, b'c') => (Reply::CopyEnds(id), Some(Copied)),
        _ => return out_of_place(tag, "in answer to Execute"),
    })
}
