//! One node of a query: expressions, and the kinds that lead to the other parts.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AArrayExpr, AConst, AExpr, AIndices, AIndirection, BoolExpr, BooleanTest, CaseExpr, CaseWhen,
    CoalesceExpr, CollateClause, GroupingFunc, GroupingSet, List, MinMaxExpr, NamedArgExpr, NullTest,
    ResTarget, RowExpr, SortBy, SqlValueFunction, SubLink, TypeCast, XmlExpr, XmlSerialize,
};

use super::super::statement::not_listed;
use super::{Refused, Todo, Walk};

impl<'a> Walk<'a> {
    /// Looks at one node. What it leads to is put on the list.
    pub(super) fn visit(&mut self, node: &'a NodeEnum) -> Result<(), Refused> {
        match node {
            // Nothing below them.
            NodeEnum::AStar(_)
            | NodeEnum::BitString(_)
            | NodeEnum::Boolean(_)
            | NodeEnum::Float(_)
            | NodeEnum::Integer(_)
            | NodeEnum::ParamRef(_)
            | NodeEnum::String(_) => {}
            NodeEnum::AConst(AConst {
                isnull: _,
                location: _,
                val: _,
            }) => {}
            NodeEnum::SelectStmt(select) => self.todo.push(Todo::Select(select)),
            NodeEnum::FuncCall(call) => self.call(call)?,
            NodeEnum::ColumnRef(column) => self.column(column)?,
            NodeEnum::ColumnDef(column) => self.column_definition(column)?,
            NodeEnum::WindowDef(window) => self.window(Some(window)),
            NodeEnum::TypeName(name) => self.type_name(Some(name)),
            NodeEnum::RangeVar(relation) => self.relation(relation)?,
            NodeEnum::AIndirection(value) => {
                let AIndirection { arg, indirection } = &**value;
                self.push(arg.as_deref());
                self.selectors(indirection)?;
            }
            NodeEnum::ResTarget(target) => {
                let ResTarget {
                    name: _,
                    indirection,
                    val,
                    location: _,
                } = &**target;
                self.push(val.as_deref());
                self.selectors(indirection)?;
            }
            NodeEnum::List(List { items }) => self.push(items),
            _ if self.plain(node) || self.conditional(node) || self.xml(node) || self.json(node) => {}
            other if self.item_of_from(other)? => {}
            other => return Err(not_listed(other)),
        }
        Ok(())
    }

    /// Operators, casts and what else has only expressions below it. Says whether the node was one.
    fn plain(&mut self, node: &'a NodeEnum) -> bool {
        match node {
            NodeEnum::AExpr(expr) => {
                let AExpr {
                    kind: _,
                    name,
                    lexpr,
                    rexpr,
                    rexpr_list_start: _,
                    rexpr_list_end: _,
                    location: _,
                } = &**expr;
                self.push(name);
                self.push(lexpr.as_deref());
                self.push(rexpr.as_deref());
            }
            NodeEnum::TypeCast(cast) => {
                let TypeCast {
                    arg,
                    type_name,
                    location: _,
                } = &**cast;
                self.push(arg.as_deref());
                self.type_name(type_name.as_ref());
            }
            NodeEnum::CollateClause(clause) => {
                let CollateClause {
                    arg,
                    collname,
                    location: _,
                } = &**clause;
                self.push(arg.as_deref());
                self.push(collname);
            }
            NodeEnum::AArrayExpr(AArrayExpr {
                elements,
                list_start: _,
                list_end: _,
                location: _,
            }) => self.push(elements),
            NodeEnum::AIndices(indices) => {
                let AIndices {
                    is_slice: _,
                    lidx,
                    uidx,
                } = &**indices;
                self.push(lidx.as_deref());
                self.push(uidx.as_deref());
            }
            NodeEnum::RowExpr(row) => {
                let RowExpr {
                    xpr,
                    args,
                    row_typeid: _,
                    row_format: _,
                    colnames,
                    location: _,
                } = &**row;
                self.push(xpr.as_deref());
                self.push(args);
                self.push(colnames);
            }
            NodeEnum::NamedArgExpr(named) => {
                let NamedArgExpr {
                    xpr,
                    arg,
                    name: _,
                    argnumber: _,
                    location: _,
                } = &**named;
                self.push(xpr.as_deref());
                self.push(arg.as_deref());
            }
            NodeEnum::SubLink(link) => {
                let SubLink {
                    xpr,
                    sub_link_type: _,
                    sub_link_id: _,
                    testexpr,
                    oper_name,
                    subselect,
                    location: _,
                } = &**link;
                self.push(xpr.as_deref());
                self.push(testexpr.as_deref());
                self.push(oper_name);
                self.push(subselect.as_deref());
            }
            NodeEnum::SortBy(sort) => {
                let SortBy {
                    node,
                    sortby_dir: _,
                    sortby_nulls: _,
                    use_op,
                    location: _,
                } = &**sort;
                self.push(node.as_deref());
                self.push(use_op);
            }
            NodeEnum::GroupingSet(GroupingSet {
                kind: _,
                content,
                location: _,
            }) => self.push(content),
            NodeEnum::GroupingFunc(func) => {
                let GroupingFunc {
                    xpr,
                    args,
                    refs,
                    agglevelsup: _,
                    location: _,
                } = &**func;
                self.push(xpr.as_deref());
                self.push(args);
                self.push(refs);
            }
            NodeEnum::SqlvalueFunction(value) => {
                let SqlValueFunction {
                    xpr,
                    op: _,
                    r#type: _,
                    typmod: _,
                    location: _,
                } = &**value;
                self.push(xpr.as_deref());
            }
            _ => return false,
        }
        true
    }

    /// AND, OR, CASE, IS NULL and their like. Says whether the node was one.
    fn conditional(&mut self, node: &'a NodeEnum) -> bool {
        match node {
            NodeEnum::BoolExpr(expr) => {
                let BoolExpr {
                    xpr,
                    boolop: _,
                    args,
                    location: _,
                } = &**expr;
                self.push(xpr.as_deref());
                self.push(args);
            }
            NodeEnum::NullTest(test) => {
                let NullTest {
                    xpr,
                    arg,
                    nulltesttype: _,
                    argisrow: _,
                    location: _,
                } = &**test;
                self.push(xpr.as_deref());
                self.push(arg.as_deref());
            }
            NodeEnum::BooleanTest(test) => {
                let BooleanTest {
                    xpr,
                    arg,
                    booltesttype: _,
                    location: _,
                } = &**test;
                self.push(xpr.as_deref());
                self.push(arg.as_deref());
            }
            NodeEnum::CaseExpr(case) => {
                let CaseExpr {
                    xpr,
                    casetype: _,
                    casecollid: _,
                    arg,
                    args,
                    defresult,
                    location: _,
                } = &**case;
                self.push(xpr.as_deref());
                self.push(arg.as_deref());
                self.push(args);
                self.push(defresult.as_deref());
            }
            NodeEnum::CaseWhen(when) => {
                let CaseWhen {
                    xpr,
                    expr,
                    result,
                    location: _,
                } = &**when;
                self.push(xpr.as_deref());
                self.push(expr.as_deref());
                self.push(result.as_deref());
            }
            NodeEnum::CoalesceExpr(coalesce) => {
                let CoalesceExpr {
                    xpr,
                    coalescetype: _,
                    coalescecollid: _,
                    args,
                    location: _,
                } = &**coalesce;
                self.push(xpr.as_deref());
                self.push(args);
            }
            NodeEnum::MinMaxExpr(expr) => {
                let MinMaxExpr {
                    xpr,
                    minmaxtype: _,
                    minmaxcollid: _,
                    inputcollid: _,
                    op: _,
                    args,
                    location: _,
                } = &**expr;
                self.push(xpr.as_deref());
                self.push(args);
            }
            _ => return false,
        }
        true
    }

    /// XML. Says whether the node was one.
    fn xml(&mut self, node: &'a NodeEnum) -> bool {
        match node {
            NodeEnum::XmlExpr(expr) => {
                let XmlExpr {
                    xpr,
                    op: _,
                    name: _,
                    named_args,
                    arg_names,
                    args,
                    xmloption: _,
                    indent: _,
                    r#type: _,
                    typmod: _,
                    location: _,
                } = &**expr;
                self.push(xpr.as_deref());
                self.push(named_args);
                self.push(arg_names);
                self.push(args);
            }
            NodeEnum::XmlSerialize(serialize) => {
                let XmlSerialize {
                    xmloption: _,
                    expr,
                    type_name,
                    indent: _,
                    location: _,
                } = &**serialize;
                self.push(expr.as_deref());
                self.type_name(type_name.as_ref());
            }
            _ => return false,
        }
        true
    }
}
