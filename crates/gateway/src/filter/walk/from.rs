//! What stands in FROM beside plain relations.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JoinExpr, Node, RangeFunction, RangeSubselect, RangeTableFunc, RangeTableFuncCol, RangeTableSample,
};

use super::super::statement::unknown;
use super::{Refused, Walk};

impl<'a> Walk<'a> {
    /// Says whether the node was one of these.
    pub(super) fn item_of_from(&mut self, node: &'a NodeEnum) -> Result<bool, Refused> {
        match node {
            NodeEnum::JoinExpr(join) => {
                let JoinExpr {
                    jointype: _,
                    is_natural: _,
                    larg,
                    rarg,
                    using_clause,
                    join_using_alias,
                    quals,
                    alias,
                    rtindex: _,
                } = &**join;
                self.push(larg.as_deref());
                self.push(rarg.as_deref());
                self.push(using_clause);
                self.push(quals.as_deref());
                self.alias(join_using_alias.as_ref());
                self.alias(alias.as_ref());
            }
            NodeEnum::RangeSubselect(sub) => {
                let RangeSubselect {
                    lateral: _,
                    subquery,
                    alias,
                } = &**sub;
                self.push(subquery.as_deref());
                self.alias(alias.as_ref());
            }
            NodeEnum::RangeFunction(function) => {
                let RangeFunction {
                    lateral: _,
                    ordinality: _,
                    is_rowsfrom: _,
                    functions,
                    alias,
                    coldeflist,
                } = function;
                functions
                    .iter()
                    .try_for_each(|function| self.function_in_from(function))?;
                self.alias(alias.as_ref());
                self.push(coldeflist);
            }
            NodeEnum::RangeTableSample(sample) => {
                let RangeTableSample {
                    relation,
                    method,
                    args,
                    repeatable,
                    location: _,
                } = &**sample;
                self.function_name(method)?;
                self.push(relation.as_deref());
                self.push(args);
                self.push(repeatable.as_deref());
            }
            NodeEnum::RangeTableFunc(table) => {
                let RangeTableFunc {
                    lateral: _,
                    docexpr,
                    rowexpr,
                    namespaces,
                    columns,
                    alias,
                    location: _,
                } = &**table;
                self.push(docexpr.as_deref());
                self.push(rowexpr.as_deref());
                self.push(namespaces);
                self.push(columns);
                self.alias(alias.as_ref());
            }
            NodeEnum::RangeTableFuncCol(column) => {
                let RangeTableFuncCol {
                    colname: _,
                    type_name,
                    for_ordinality: _,
                    is_not_null: _,
                    colexpr,
                    coldefexpr,
                    location: _,
                } = &**column;
                self.type_name(type_name.as_ref());
                self.push(colexpr.as_deref());
                self.push(coldefexpr.as_deref());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A function and the columns of its result, which may be nothing.
    fn function_in_from(&mut self, function: &'a Node) -> Result<(), Refused> {
        let Some(NodeEnum::List(pair)) = &function.node else {
            return Err(unknown());
        };
        let (function, columns) = pair.items.split_first().ok_or_else(unknown)?;
        self.push([function]);
        self.push(columns.iter().filter(|columns| columns.node.is_some()));
        Ok(())
    }
}
