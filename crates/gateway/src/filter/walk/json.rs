//! The SQL/JSON constructs of PostgreSQL 16 to 18.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JsonAggConstructor, JsonArgument, JsonArrayAgg, JsonArrayConstructor, JsonArrayQueryConstructor,
    JsonBehavior, JsonFuncExpr, JsonIsPredicate, JsonKeyValue, JsonObjectAgg, JsonObjectConstructor,
    JsonOutput, JsonParseExpr, JsonReturning, JsonScalarExpr, JsonSerializeExpr, JsonTable, JsonTableColumn,
    JsonTablePathSpec, JsonValueExpr,
};

use super::Walk;

impl<'a> Walk<'a> {
    /// Says whether the node was one of these.
    pub(super) fn json(&mut self, node: &'a NodeEnum) -> bool {
        match node {
            NodeEnum::JsonValueExpr(value) => self.json_value(Some(value)),
            NodeEnum::JsonKeyValue(pair) => self.json_pair(Some(pair)),
            NodeEnum::JsonBehavior(behavior) => self.json_behavior(Some(behavior)),
            NodeEnum::JsonOutput(output) => self.json_output(Some(output)),
            NodeEnum::JsonTablePathSpec(path) => self.json_path(Some(path)),
            NodeEnum::JsonFormat(_) => {}
            NodeEnum::JsonArgument(argument) => {
                let JsonArgument { val, name: _ } = &**argument;
                self.json_value(val.as_deref());
            }
            _ => return self.json_constructor(node) || self.json_function(node) || self.json_table(node),
        }
        true
    }

    fn json_constructor(&mut self, node: &'a NodeEnum) -> bool {
        match node {
            NodeEnum::JsonObjectConstructor(JsonObjectConstructor {
                exprs,
                output,
                absent_on_null: _,
                unique: _,
                location: _,
            }) => {
                self.push(exprs);
                self.json_output(output.as_ref());
            }
            NodeEnum::JsonArrayConstructor(JsonArrayConstructor {
                exprs,
                output,
                absent_on_null: _,
                location: _,
            }) => {
                self.push(exprs);
                self.json_output(output.as_ref());
            }
            NodeEnum::JsonArrayQueryConstructor(constructor) => {
                let JsonArrayQueryConstructor {
                    query,
                    output,
                    format: _,
                    absent_on_null: _,
                    location: _,
                } = &**constructor;
                self.push(query.as_deref());
                self.json_output(output.as_ref());
            }
            NodeEnum::JsonObjectAgg(aggregate) => {
                let JsonObjectAgg {
                    constructor,
                    arg,
                    absent_on_null: _,
                    unique: _,
                } = &**aggregate;
                self.json_aggregate(constructor.as_deref());
                self.json_pair(arg.as_deref());
            }
            NodeEnum::JsonArrayAgg(aggregate) => {
                let JsonArrayAgg {
                    constructor,
                    arg,
                    absent_on_null: _,
                } = &**aggregate;
                self.json_aggregate(constructor.as_deref());
                self.json_value(arg.as_deref());
            }
            NodeEnum::JsonAggConstructor(constructor) => self.json_aggregate(Some(constructor)),
            _ => return false,
        }
        true
    }

    fn json_function(&mut self, node: &'a NodeEnum) -> bool {
        match node {
            NodeEnum::JsonFuncExpr(function) => {
                let JsonFuncExpr {
                    op: _,
                    column_name: _,
                    context_item,
                    pathspec,
                    passing,
                    output,
                    on_empty,
                    on_error,
                    wrapper: _,
                    quotes: _,
                    location: _,
                } = &**function;
                self.json_value(context_item.as_deref());
                self.push(pathspec.as_deref());
                self.push(passing);
                self.json_output(output.as_ref());
                self.json_behavior(on_empty.as_deref());
                self.json_behavior(on_error.as_deref());
            }
            NodeEnum::JsonParseExpr(parse) => {
                let JsonParseExpr {
                    expr,
                    output,
                    unique_keys: _,
                    location: _,
                } = &**parse;
                self.json_value(expr.as_deref());
                self.json_output(output.as_ref());
            }
            NodeEnum::JsonScalarExpr(scalar) => {
                let JsonScalarExpr {
                    expr,
                    output,
                    location: _,
                } = &**scalar;
                self.push(expr.as_deref());
                self.json_output(output.as_ref());
            }
            NodeEnum::JsonSerializeExpr(serialize) => {
                let JsonSerializeExpr {
                    expr,
                    output,
                    location: _,
                } = &**serialize;
                self.json_value(expr.as_deref());
                self.json_output(output.as_ref());
            }
            NodeEnum::JsonIsPredicate(predicate) => {
                let JsonIsPredicate {
                    expr,
                    format: _,
                    item_type: _,
                    unique_keys: _,
                    location: _,
                } = &**predicate;
                self.push(expr.as_deref());
            }
            _ => return false,
        }
        true
    }

    fn json_table(&mut self, node: &'a NodeEnum) -> bool {
        match node {
            NodeEnum::JsonTable(table) => {
                let JsonTable {
                    context_item,
                    pathspec,
                    passing,
                    columns,
                    on_error,
                    alias,
                    lateral: _,
                    location: _,
                } = &**table;
                self.json_value(context_item.as_deref());
                self.json_path(pathspec.as_deref());
                self.push(passing);
                self.push(columns);
                self.json_behavior(on_error.as_deref());
                self.alias(alias.as_ref());
            }
            NodeEnum::JsonTableColumn(column) => {
                let JsonTableColumn {
                    coltype: _,
                    name: _,
                    type_name,
                    pathspec,
                    format: _,
                    wrapper: _,
                    quotes: _,
                    columns,
                    on_empty,
                    on_error,
                    location: _,
                } = &**column;
                self.type_name(type_name.as_ref());
                self.json_path(pathspec.as_deref());
                self.push(columns);
                self.json_behavior(on_empty.as_deref());
                self.json_behavior(on_error.as_deref());
            }
            _ => return false,
        }
        true
    }

    fn json_value(&mut self, value: Option<&'a JsonValueExpr>) {
        if let Some(JsonValueExpr {
            raw_expr,
            formatted_expr,
            format: _,
        }) = value
        {
            self.push(raw_expr.as_deref());
            self.push(formatted_expr.as_deref());
        }
    }

    fn json_pair(&mut self, pair: Option<&'a JsonKeyValue>) {
        if let Some(JsonKeyValue { key, value }) = pair {
            self.push(key.as_deref());
            self.json_value(value.as_deref());
        }
    }

    fn json_behavior(&mut self, behavior: Option<&'a JsonBehavior>) {
        if let Some(JsonBehavior {
            btype: _,
            expr,
            coerce: _,
            location: _,
        }) = behavior
        {
            self.push(expr.as_deref());
        }
    }

    fn json_output(&mut self, output: Option<&'a JsonOutput>) {
        let Some(JsonOutput { type_name, returning }) = output else {
            return;
        };
        self.type_name(type_name.as_ref());
        if let Some(JsonReturning {
            format: _,
            typid: _,
            typmod: _,
        }) = returning
        {
            // Numbers only.
        }
    }

    fn json_path(&mut self, path: Option<&'a JsonTablePathSpec>) {
        if let Some(JsonTablePathSpec {
            string,
            name: _,
            name_location: _,
            location: _,
        }) = path
        {
            self.push(string.as_deref());
        }
    }

    fn json_aggregate(&mut self, constructor: Option<&'a JsonAggConstructor>) {
        if let Some(JsonAggConstructor {
            output,
            agg_filter,
            agg_order,
            over,
            location: _,
        }) = constructor
        {
            self.json_output(output.as_ref());
            self.push(agg_filter.as_deref());
            self.push(agg_order);
            self.window(over.as_deref());
        }
    }
}
