//! Goes through the whole parse tree of a query.
//!
//! Every structure is taken apart by name without `..`, so that a field which a newer parser adds does not compile until
//! someone has decided about it. A kind of node that has no arm is refused. What is still to be seen waits in a list, not
//! on the stack.

use std::cell::RefCell;
use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    Alias, ColumnDef, ColumnRef, CommonTableExpr, FuncCall, Node, RangeVar, SelectStmt, TypeName, WindowDef,
    WithClause,
};

use super::statement::{not_listed, unknown};
use super::verdict::{Refused, Rule};
use super::{Limits, functions, settings};

mod expression;
mod from;
mod json;

/// A place in the tree that has not been looked at yet.
#[derive(Debug, Clone, Copy)]
enum Todo<'a> {
    Node(&'a Node),
    Select(&'a SelectStmt),
}

/// The names of relations that were come across, without their schemas.
pub(super) type Reads = RefCell<BTreeSet<String>>;

/// A walk; what it has come across waits in `todo`.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    limits: &'a Limits,
    reads: &'a Reads,
    todo: Vec<Todo<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(limits: &'a Limits, reads: &'a Reads) -> Self {
        Self {
            limits,
            reads,
            todo: Vec::new(),
        }
    }

    /// Looks at a query and all that is in it.
    pub(super) fn select(&mut self, select: &'a SelectStmt) -> Result<(), Refused> {
        self.todo.push(Todo::Select(select));
        self.run()
    }

    /// Looks at expressions and all that is in them.
    pub(super) fn nodes(&mut self, nodes: impl IntoIterator<Item = &'a Node>) -> Result<(), Refused> {
        self.push(nodes);
        self.run()
    }

    /// Looks at a relation.
    pub(super) fn relation(&mut self, relation: &'a RangeVar) -> Result<(), Refused> {
        let RangeVar {
            catalogname: _,
            schemaname,
            relname,
            inh: _,
            relpersistence: _,
            alias,
            location: _,
        } = relation;
        if functions::is_refused_relation(schemaname, relname) {
            return Err(Refused::by(
                Rule::Relations,
                format!(
                    "relation `{relname}` is not available: it tells of other sessions and of rows that are not shared"
                ),
            ));
        }
        self.reads.borrow_mut().insert(relname.clone());
        self.alias(alias.as_ref());
        Ok(())
    }

    fn run(&mut self) -> Result<(), Refused> {
        while let Some(next) = self.todo.pop() {
            match next {
                Todo::Select(select) => self.visit_select(select)?,
                Todo::Node(Node { node: Some(node) }) => self.visit(node)?,
                Todo::Node(Node { node: None }) => return Err(unknown()),
            }
        }
        Ok(())
    }

    fn push(&mut self, nodes: impl IntoIterator<Item = &'a Node>) {
        self.todo.extend(nodes.into_iter().map(Todo::Node));
    }

    fn alias(&mut self, alias: Option<&'a Alias>) {
        if let Some(Alias {
            aliasname: _,
            colnames,
        }) = alias
        {
            self.push(colnames);
        }
    }

    fn visit_select(&mut self, select: &'a SelectStmt) -> Result<(), Refused> {
        let SelectStmt {
            distinct_clause,
            into_clause,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct: _,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option: _,
            locking_clause,
            with_clause,
            op: _,
            all: _,
            larg,
            rarg,
        } = select;
        if into_clause.is_some() {
            return Err(Refused::by(
                Rule::ReadOnly,
                "SELECT INTO is not available: shared data is read-only",
            ));
        }
        if !locking_clause.is_empty() {
            return Err(Refused::by(
                Rule::ReadOnly,
                "SELECT ... FOR UPDATE or SHARE is not available: rows cannot be locked against other sessions",
            ));
        }
        // DISTINCT without ON is a list of one nothing.
        self.push(distinct_clause.iter().filter(|node| node.node.is_some()));
        for list in [
            target_list,
            from_clause,
            group_clause,
            window_clause,
            values_lists,
            sort_clause,
        ] {
            self.push(list);
        }
        for single in [where_clause, having_clause, limit_offset, limit_count] {
            self.push(single.as_deref());
        }
        self.with(with_clause.as_ref())?;
        self.todo
            .extend([larg, rarg].into_iter().flatten().map(|side| Todo::Select(side)));
        Ok(())
    }

    fn with(&mut self, clause: Option<&'a WithClause>) -> Result<(), Refused> {
        let Some(WithClause {
            ctes,
            recursive: _,
            location: _,
        }) = clause
        else {
            return Ok(());
        };
        ctes.iter().try_for_each(|cte| match &cte.node {
            Some(NodeEnum::CommonTableExpr(cte)) => self.common_table(cte),
            _ => Err(unknown()),
        })
    }

    fn common_table(&mut self, cte: &'a CommonTableExpr) -> Result<(), Refused> {
        let CommonTableExpr {
            ctename: _,
            aliascolnames,
            ctematerialized: _,
            ctequery,
            search_clause,
            cycle_clause,
            location: _,
            cterecursive: _,
            cterefcount: _,
            ctecolnames,
            ctecoltypes,
            ctecoltypmods,
            ctecolcollations,
        } = cte;
        for list in [
            aliascolnames,
            ctecolnames,
            ctecoltypes,
            ctecoltypmods,
            ctecolcollations,
        ] {
            self.push(list);
        }
        if let Some(search) = search_clause {
            self.push(&search.search_col_list);
        }
        if let Some(cycle) = cycle_clause {
            self.push(&cycle.cycle_col_list);
            self.push(cycle.cycle_mark_value.as_deref());
            self.push(cycle.cycle_mark_default.as_deref());
        }
        match ctequery.as_deref().and_then(|query| query.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => {
                self.todo.push(Todo::Select(select));
                Ok(())
            }
            Some(other) => Err(not_listed(other)),
            None => Err(unknown()),
        }
    }

    fn window(&mut self, window: Option<&'a WindowDef>) {
        let Some(window) = window else { return };
        let WindowDef {
            name: _,
            refname: _,
            partition_clause,
            order_clause,
            frame_options: _,
            start_offset,
            end_offset,
            location: _,
        } = window;
        self.push(partition_clause);
        self.push(order_clause);
        self.push(start_offset.as_deref());
        self.push(end_offset.as_deref());
    }

    fn type_name(&mut self, name: Option<&'a TypeName>) {
        let Some(name) = name else { return };
        let TypeName {
            names,
            type_oid: _,
            setof: _,
            pct_type: _,
            typmods,
            typemod: _,
            array_bounds,
            location: _,
        } = name;
        self.push(names);
        self.push(typmods);
        self.push(array_bounds);
    }

    fn column_definition(&mut self, column: &'a ColumnDef) -> Result<(), Refused> {
        let ColumnDef {
            colname: _,
            type_name,
            compression: _,
            inhcount: _,
            is_local: _,
            is_not_null: _,
            is_from_type: _,
            storage: _,
            storage_name: _,
            raw_default,
            cooked_default,
            identity: _,
            identity_sequence,
            generated: _,
            coll_clause,
            coll_oid: _,
            constraints,
            fdwoptions,
            location: _,
        } = column;
        let plain = raw_default.is_none() && cooked_default.is_none() && identity_sequence.is_none();
        if !plain || !constraints.is_empty() || !fdwoptions.is_empty() {
            return Err(unknown());
        }
        self.type_name(type_name.as_ref());
        if let Some(collation) = coll_clause {
            self.push(collation.arg.as_deref());
            self.push(&collation.collname);
        }
        Ok(())
    }

    fn call(&mut self, call: &'a FuncCall) -> Result<(), Refused> {
        let FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group: _,
            agg_star: _,
            agg_distinct: _,
            func_variadic: _,
            funcformat: _,
            location: _,
        } = call;
        self.function_name(funcname)?;
        if last_name(funcname) == Some(functions::SET_CONFIG) {
            settings::judge_set_config(call, self.limits)?;
        }
        self.push(args);
        self.push(agg_order);
        self.push(agg_filter.as_deref());
        self.window(over.as_deref());
        Ok(())
    }

    /// A name, perhaps with a schema, of what is a function.
    fn function_name(&mut self, names: &'a [Node]) -> Result<(), Refused> {
        match last_name(names) {
            Some(name) if functions::is_refused(name) => Err(refused_function(name)),
            Some(_) => Ok(()),
            None => Err(unknown()),
        }
    }

    /// `a.b.c`: PostgreSQL takes every name but the first for a function, if it is not a column.
    fn column(&mut self, column: &'a ColumnRef) -> Result<(), Refused> {
        let ColumnRef { fields, location: _ } = column;
        self.push(fields.first());
        self.selectors(fields.get(1..).unwrap_or_default())
    }

    /// What stands behind a value: `.name`, `.*`, `[subscript]`. A name may be that of a function.
    fn selectors(&mut self, selectors: &'a [Node]) -> Result<(), Refused> {
        for selector in selectors {
            match &selector.node {
                Some(NodeEnum::String(name))
                    if functions::is_refused(&name.sval) || name.sval == functions::SET_CONFIG =>
                {
                    return Err(refused_function(&name.sval));
                }
                _ => self.push([selector]),
            }
        }
        Ok(())
    }
}

/// The last of the names that a qualified name is made of.
fn last_name(names: &[Node]) -> Option<&str> {
    match names.last()?.node.as_ref()? {
        NodeEnum::String(name) => Some(&name.sval),
        _ => None,
    }
}

fn refused_function(name: &str) -> Refused {
    Refused::by(
        Rule::Functions,
        format!(
            "function `{name}` is not available: it reaches beyond the rows that are shared with this session"
        ),
    )
}
