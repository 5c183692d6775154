//! The kinds of statement that may go upstream, and what each may have in it.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    CopyStmt, DeclareCursorStmt, DiscardMode, DiscardStmt, ExecuteStmt, FetchStmt, Node, ParseResult,
    PrepareStmt, TransactionStmt, TransactionStmtKind,
};
use wire::backend::Sqlstate;

use super::verdict::{CASE, Pass, Refused, Rule, Set, StatementKind};
use super::walk::{Reads, Walk};
use super::{Limits, STATEMENTS_MAX, settings};

/// One statement that may go upstream.
#[derive(Debug)]
pub(super) struct Judged {
    kind: StatementKind,
    set: Option<Set>,
}

impl Judged {
    pub(super) fn of(kind: StatementKind) -> Self {
        Self { kind, set: None }
    }

    pub(super) fn with(self, set: Set) -> Self {
        Self {
            set: Some(set),
            ..self
        }
    }
}

/// For what PostgreSQL's grammar does not make, as far as is known.
pub(super) fn unknown() -> Refused {
    Refused::by(
        Rule::Statements,
        "statement has a form that is not available here",
    )
}

/// Judges all statements of a text.
pub(super) fn judge(tree: &ParseResult, limits: &Limits) -> Result<Pass, Refused> {
    if tree.stmts.len() > STATEMENTS_MAX {
        let message = format!(
            "text has {} statements, at most {STATEMENTS_MAX} are taken",
            tree.stmts.len()
        );
        return Err(Refused::new(Sqlstate::PROGRAM_LIMIT, message));
    }
    let mut pass = Pass::default();
    let reads = Reads::default();
    for raw in &tree.stmts {
        let statement = raw
            .stmt
            .as_deref()
            .and_then(|node| node.node.as_ref())
            .ok_or_else(unknown)?;
        let Judged { kind, set } = one(statement, limits, &reads)?;
        pass.statements.push(kind);
        pass.sets.extend(set);
    }
    case_alone(&pass)?;
    pass.reads = reads.into_inner();
    Ok(pass)
}

/// A text has one record, and so one case reference: a SET of it must not stand beside what reads rows.
fn case_alone(pass: &Pass) -> Result<(), Refused> {
    let named = pass.sets.iter().any(|set| set.name == CASE);
    let alone = pass
        .statements
        .iter()
        .all(|kind| matches!(kind, StatementKind::Set | StatementKind::Reset));
    if named && !alone {
        return Err(Refused::by(
            Rule::Case,
            format!("`SET {CASE}` must be sent by itself, not with other statements"),
        ));
    }
    Ok(())
}

fn one(statement: &NodeEnum, limits: &Limits, reads: &Reads) -> Result<Judged, Refused> {
    let kind = match statement {
        NodeEnum::SelectStmt(select) => {
            Walk::new(limits, reads).select(select)?;
            StatementKind::Select
        }
        NodeEnum::TransactionStmt(stmt) => transaction(stmt, limits)?,
        NodeEnum::VariableSetStmt(stmt) => return settings::judge(stmt, limits),
        NodeEnum::VariableShowStmt(_) => StatementKind::Show,
        NodeEnum::CopyStmt(stmt) => copy(stmt, limits, reads)?,
        NodeEnum::DeclareCursorStmt(stmt) => declare(stmt, limits, reads)?,
        NodeEnum::FetchStmt(FetchStmt {
            direction: _,
            how_many: _,
            portalname: _,
            ismove,
        }) => {
            if *ismove {
                StatementKind::Move
            } else {
                StatementKind::Fetch
            }
        }
        NodeEnum::ClosePortalStmt(_) => StatementKind::Close,
        NodeEnum::PrepareStmt(stmt) => prepare(stmt, limits, reads)?,
        NodeEnum::ExecuteStmt(ExecuteStmt { name: _, params }) => {
            Walk::new(limits, reads).nodes(params)?;
            StatementKind::Execute
        }
        NodeEnum::DeallocateStmt(_) => StatementKind::Deallocate,
        NodeEnum::DiscardStmt(DiscardStmt { target }) => discard(*target)?,
        NodeEnum::UnlistenStmt(stmt) if stmt.conditionname.is_empty() => StatementKind::Unlisten,
        other => return Err(not_listed(other)),
    };
    Ok(Judged::of(kind))
}

fn transaction(stmt: &TransactionStmt, limits: &Limits) -> Result<StatementKind, Refused> {
    let TransactionStmt {
        kind,
        options,
        savepoint_name: _,
        gid: _,
        chain: _,
        location: _,
    } = stmt;
    settings::transaction_options(options, limits)?;
    match TransactionStmtKind::try_from(*kind).map_err(|_| unknown())? {
        TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart => Ok(StatementKind::Begin),
        TransactionStmtKind::TransStmtCommit => Ok(StatementKind::Commit),
        TransactionStmtKind::TransStmtRollback => Ok(StatementKind::Rollback),
        TransactionStmtKind::TransStmtSavepoint => Ok(StatementKind::Savepoint),
        TransactionStmtKind::TransStmtRelease => Ok(StatementKind::Release),
        TransactionStmtKind::TransStmtRollbackTo => Ok(StatementKind::RollbackTo),
        TransactionStmtKind::TransStmtPrepare
        | TransactionStmtKind::TransStmtCommitPrepared
        | TransactionStmtKind::TransStmtRollbackPrepared => Err(Refused::by(
            Rule::Statements,
            "transactions cannot be prepared here: a prepared transaction would outlive the agreement",
        )),
        TransactionStmtKind::Undefined => Err(unknown()),
    }
}

fn copy(stmt: &CopyStmt, limits: &Limits, reads: &Reads) -> Result<StatementKind, Refused> {
    let CopyStmt {
        relation,
        query,
        attlist,
        is_from,
        is_program,
        filename,
        options,
        where_clause,
    } = stmt;
    if *is_from || *is_program || !filename.is_empty() || where_clause.is_some() {
        return Err(Refused::by(Rule::Statements, "COPY is available to STDOUT only"));
    }
    let mut walk = Walk::new(limits, reads);
    if let Some(query) = query {
        walk.query(query)?;
    }
    if let Some(relation) = relation {
        walk.relation(relation)?;
    }
    walk.nodes(attlist)?;
    for option in options {
        let Some(NodeEnum::DefElem(option)) = &option.node else {
            return Err(unknown());
        };
        walk.nodes(option.arg.as_deref())?;
    }
    Ok(StatementKind::Copy)
}

fn declare(stmt: &DeclareCursorStmt, limits: &Limits, reads: &Reads) -> Result<StatementKind, Refused> {
    let DeclareCursorStmt {
        portalname: _,
        options: _,
        query,
    } = stmt;
    Walk::new(limits, reads).query(query.as_deref().ok_or_else(unknown)?)?;
    Ok(StatementKind::Declare)
}

fn prepare(stmt: &PrepareStmt, limits: &Limits, reads: &Reads) -> Result<StatementKind, Refused> {
    let PrepareStmt {
        name: _,
        argtypes,
        query,
    } = stmt;
    let mut walk = Walk::new(limits, reads);
    walk.nodes(argtypes)?;
    walk.query(query.as_deref().ok_or_else(unknown)?)?;
    Ok(StatementKind::Prepare)
}

fn discard(target: i32) -> Result<StatementKind, Refused> {
    match DiscardMode::try_from(target).map_err(|_| unknown())? {
        DiscardMode::DiscardAll => Ok(StatementKind::DiscardAll),
        DiscardMode::DiscardPlans | DiscardMode::DiscardSequences | DiscardMode::DiscardTemp => {
            Ok(StatementKind::Discard)
        }
        DiscardMode::Undefined => Err(unknown()),
    }
}

/// What is said of a statement that is not on the list.
pub(super) fn not_listed(statement: &NodeEnum) -> Refused {
    let say = |rule, message: &str| Refused::by(rule, message);
    match statement {
        NodeEnum::ExplainStmt(_) => say(
            Rule::Statements,
            "EXPLAIN is not available: a plan tells of rows that are not shared (how many there are, whether one exists)",
        ),
        NodeEnum::InsertStmt(_) => say(
            Rule::ReadOnly,
            "INSERT is not available: shared data is read-only",
        ),
        NodeEnum::UpdateStmt(_) => say(
            Rule::ReadOnly,
            "UPDATE is not available: shared data is read-only",
        ),
        NodeEnum::DeleteStmt(_) => say(
            Rule::ReadOnly,
            "DELETE is not available: shared data is read-only",
        ),
        NodeEnum::MergeStmt(_) => say(Rule::ReadOnly, "MERGE is not available: shared data is read-only"),
        NodeEnum::TruncateStmt(_) => say(
            Rule::ReadOnly,
            "TRUNCATE is not available: shared data is read-only",
        ),
        NodeEnum::CreateTableAsStmt(_) => say(
            Rule::ReadOnly,
            "a query's result cannot be kept in the database: shared data is read-only",
        ),
        NodeEnum::DoStmt(_) => say(Rule::Statements, "DO is not available: its code cannot be judged"),
        NodeEnum::CallStmt(_) => say(
            Rule::Statements,
            "CALL is not available: a procedure's code cannot be judged",
        ),
        NodeEnum::ListenStmt(_) | NodeEnum::NotifyStmt(_) | NodeEnum::UnlistenStmt(_) => say(
            Rule::Statements,
            "notifications are not available: they would reach other sessions",
        ),
        NodeEnum::LockStmt(_) => say(
            Rule::Statements,
            "LOCK is not available: it would hold up other sessions",
        ),
        NodeEnum::AlterRoleStmt(_) | NodeEnum::AlterRoleSetStmt(_) => say(
            Rule::Statements,
            "ALTER ROLE is not available: the agreement's role is the custodian's",
        ),
        NodeEnum::GrantStmt(_) | NodeEnum::GrantRoleStmt(_) => say(
            Rule::Statements,
            "GRANT and REVOKE are not available: what is shared stands in the agreement",
        ),
        _ => say(
            Rule::Statements,
            "this kind of statement is not available: shared data can be read by SELECT, cursors and COPY ... TO STDOUT",
        ),
    }
}

impl<'a> Walk<'a> {
    /// The query of a statement that has one in it: it must be a SELECT.
    fn query(&mut self, node: &'a Node) -> Result<(), Refused> {
        match &node.node {
            Some(NodeEnum::SelectStmt(select)) => self.select(select),
            Some(other) => Err(not_listed(other)),
            None => Err(unknown()),
        }
    }
}
