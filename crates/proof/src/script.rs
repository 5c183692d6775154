//! Scripts for z3: operators on sets, which it lacks, written as operators on arrays; definitions written as `let`.
//!
//! A finite set is the array of what is in it, so a question without an answer over arrays has none over finite sets:
//! `unsat` carries over. `sat` does not, since an array may stand for an infinite set: a counterexample is believed only
//! after Cedar's own authorizer has seen it.
//!
//! `(define-fun t () S e)` names a term, and so does `(let ((t e)) ..)` around all that follows: both mean the same. z3 4.8.12 takes
//! milliseconds to read one of the former where the sort is a datatype with parameters, and scripts have thousands.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Whether a script has operators on sets, which only cvc5 takes as they are.
#[must_use]
pub fn has_sets(script: &str) -> bool {
    tokens(script)
        .any(|token| matches!(token, Token::Word(word) if word.starts_with("set.") || word == "Set"))
}

/// The script for z3: the same text if there is nothing to rewrite.
#[must_use]
pub fn for_z3(script: &str) -> String {
    let commands = parse(script);
    if let Some(written) = with_lets(&commands) {
        return written;
    }
    if !has_sets(script) {
        return script.to_owned();
    }
    let mut written = String::with_capacity(script.len());
    for expression in commands {
        expression.write(&mut written);
    }
    written
}

/// The script with its definitions as `let`s around one assertion. `None`: it has a command that is not foreseen here, a name twice, or
/// no definition.
fn with_lets(commands: &[Expression<'_>]) -> Option<String> {
    let mut written = String::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut sorts: BTreeSet<String> = BTreeSet::new();
    let (mut bound, mut asserted) = (Vec::new(), Vec::new());
    let mut asked = false;
    for command in commands {
        let items = match command {
            Expression::Space(text) => {
                // Comments before the question stay.
                written.push_str(if bound.is_empty() { text } else { "" });
                continue;
            }
            Expression::List(items) => items,
            Expression::Atom(_) => return None,
        };
        if asked {
            return None;
        }
        let parts: Vec<&Expression<'_>> = items
            .iter()
            .filter(|item| !matches!(item, Expression::Space(_)))
            .collect();
        match parts.as_slice() {
            [
                Expression::Atom("define-fun"),
                Expression::Atom(name),
                Expression::List(none),
                sort,
                body,
            ] if none.is_empty() => {
                if !names.insert(name) {
                    return None;
                }
                if let Expression::List(_) = sort {
                    let mut text = String::new();
                    sort.write(&mut text);
                    sorts.insert(text);
                }
                bound.push((*name, *body));
            }
            [Expression::Atom("assert"), term] => asserted.push(*term),
            [
                Expression::Atom("declare-const" | "declare-fun" | "declare-datatype"),
                Expression::Atom(name),
                ..,
            ] => {
                if !names.insert(name) {
                    return None;
                }
                command.write(&mut written);
                written.push('\n');
            }
            [Expression::Atom("set-logic" | "set-option"), ..] => {
                command.write(&mut written);
                written.push('\n');
            }
            [Expression::Atom("check-sat")] => asked = true,
            _ => return None,
        }
    }
    if !asked || bound.is_empty() {
        return None;
    }
    // z3 knows the constructors of a datatype with parameters once it has seen these. A constant that nothing asks for changes no answer.
    for (number, sort) in sorts.iter().enumerate() {
        let _ = writeln!(written, "(declare-const |sort {number}| {sort})");
    }
    written.push_str("(assert\n");
    for (name, body) in &bound {
        written.push_str("(let ((");
        written.push_str(name);
        written.push(' ');
        body.write(&mut written);
        written.push_str("))\n");
    }
    written.push_str("(and true");
    for term in &asserted {
        written.push(' ');
        term.write(&mut written);
    }
    written.push(')');
    written.extend(bound.iter().map(|_| ')'));
    written.push_str(")\n(check-sat)\n");
    Some(written)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    /// A symbol, a number, a keyword.
    Word(&'a str),
    /// A string, a quoted symbol, a comment, white space: kept as they are.
    Kept(&'a str),
}

fn tokens(script: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = script;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = match first {
            '(' | ')' => 1,
            '"' => string_length(rest),
            '|' => rest
                .char_indices()
                .skip(1)
                .find(|(_, char)| *char == '|')
                .map_or(rest.len(), |(at, _)| at + 1),
            ';' => rest.find('\n').map_or(rest.len(), |at| at + 1),
            char if char.is_whitespace() => rest
                .find(|char: char| !char.is_whitespace())
                .unwrap_or(rest.len()),
            _ => rest
                .find(|char: char| char.is_whitespace() || "()\"|;".contains(char))
                .unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after;
        Some(match first {
            '(' => Token::Open,
            ')' => Token::Close,
            '"' | '|' | ';' => Token::Kept(token),
            char if char.is_whitespace() => Token::Kept(token),
            _ => Token::Word(token),
        })
    })
}

/// How long the string is that a text begins with. A doubled quote within it is a quote.
fn string_length(text: &str) -> usize {
    let mut rest = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = rest.next() {
        if char == '"' && rest.next_if(|(_, next)| *next == '"').is_none() {
            return at + 1;
        }
    }
    text.len()
}

#[derive(Debug)]
enum Expression<'a> {
    Atom(&'a str),
    Space(&'a str),
    List(Vec<Self>),
}

/// Scripts are one command a line, none of them deep: symcc names each subterm.
fn parse(script: &str) -> Vec<Expression<'_>> {
    let mut open: Vec<Vec<Expression<'_>>> = vec![Vec::new()];
    for token in tokens(script) {
        let done = match token {
            Token::Open => {
                open.push(Vec::new());
                continue;
            }
            Token::Close if open.len() > 1 => Expression::List(open.pop().unwrap_or_default()),
            // A stray one: the solver will say so.
            Token::Close => Expression::Atom(")"),
            Token::Word(word) => Expression::Atom(word),
            Token::Kept(text) if text.starts_with(['"', '|']) => Expression::Atom(text),
            Token::Kept(text) => Expression::Space(text),
        };
        if let Some(within) = open.last_mut() {
            within.push(done);
        }
    }
    // An unclosed list stays unclosed: what is not a script must not become one.
    let mut whole = Vec::new();
    for (depth, list) in open.into_iter().enumerate() {
        if depth > 0 {
            whole.push(Expression::Atom("("));
        }
        whole.extend(list);
    }
    whole
}

impl Expression<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Atom(text) | Self::Space(text) => out.push_str(text),
            Self::List(items) => {
                let parts: Vec<&Self> = items
                    .iter()
                    .filter(|item| !matches!(item, Self::Space(_)))
                    .collect();
                match parts.as_slice() {
                    [Self::Atom("Set"), element] => surround(out, "Array", &[element], " Bool"),
                    [Self::Atom("set.member"), element, set] => surround(out, "select", &[set, element], ""),
                    [Self::Atom("set.insert"), elements @ .., set] => insert(out, elements, set),
                    [Self::Atom("set.subset"), left, right] => surround(out, "subset", &[left, right], ""),
                    [Self::Atom("set.inter"), left, right] => {
                        surround(out, "intersection", &[left, right], "")
                    }
                    [Self::Atom("as"), Self::Atom("set.empty"), sort] => {
                        out.push_str("((as const ");
                        sort.write(out);
                        out.push_str(") false)");
                    }
                    _ => {
                        out.push('(');
                        for item in items {
                            item.write(out);
                        }
                        out.push(')');
                    }
                }
            }
        }
    }
}

fn surround(out: &mut String, operator: &str, operands: &[&Expression<'_>], end: &str) {
    out.push('(');
    out.push_str(operator);
    for operand in operands {
        out.push(' ');
        operand.write(out);
    }
    out.push_str(end);
    out.push(')');
}

/// `(set.insert a b S)` is `(store (store S b true) a true)`.
fn insert(out: &mut String, elements: &[&Expression<'_>], set: &Expression<'_>) {
    for _ in elements {
        out.push_str("(store ");
    }
    set.write(out);
    for element in elements {
        out.push(' ');
        element.write(out);
        out.push_str(" true)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_without_sets_stays_as_it_is() {
        let script = "; (set.member x)\n(assert (= |set.member| \"(set.inter a b)\"))\n(check-sat)\n";
        assert!(!has_sets(script));
        assert_eq!(for_z3(script), script);
    }

    #[test]
    fn operators_on_sets_become_operators_on_arrays() {
        let pairs = [
            (
                "(declare-fun f (E0) (Set String))",
                "(declare-fun f (E0) (Array String Bool))",
            ),
            (
                "(as set.empty (Set String))",
                "((as const (Array String Bool)) false)",
            ),
            ("(set.member \"a\" t1)", "(select t1 \"a\")"),
            (
                "(set.insert \"a\" \"b\" t1)",
                "(store (store t1 \"a\" true) \"b\" true)",
            ),
            (
                "(set.subset t1 (set.inter t2 t3))",
                "(subset t1 (intersection t2 t3))",
            ),
        ];
        for (from, to) in pairs {
            assert_eq!(for_z3(from), to);
        }
    }

    #[test]
    fn definitions_become_lets() {
        let script = "; (reset)\n(set-logic ALL)\n; x\n(declare-const x Int)\n(define-fun t1 () Bool (= x 1))\n; Agreement\n\
                      (declare-fun f (Int) (Set String))\n(define-fun t2 () (Option Bool) (some t1))\n(assert true)\n\
                      (assert (set.member \"a \"\"b\" (f x)))\n(assert t1)\n(check-sat)\n";
        assert_eq!(
            for_z3(script),
            "; (reset)\n(set-logic ALL)\n\n; x\n(declare-const x Int)\n\n(declare-fun f (Int) (Array String Bool))\n(declare-const |sort 0| (Option Bool))\n(assert\n\
             (let ((t1 (= x 1)))\n(let ((t2 (some t1)))\n(and true true (select (f x) \"a \"\"b\") t1))))\n(check-sat)\n"
        );
    }

    #[test]
    fn what_is_not_foreseen_stays_as_it_is() {
        let good = "(declare-const x Int)\n(define-fun t1 () Bool (= x 1))\n(assert t1)\n(check-sat)\n";
        assert_ne!(for_z3(good), good);
        for more in [
            "(define-fun t1 () Bool true)\n",
            "(define-fun x () Bool true)\n",
            "(define-fun g ((a Int)) Int a)\n",
            "(push 1)\n",
            "(check-sat)\n",
            "t1\n",
        ] {
            let script = format!(
                "{}{more}(assert t1)\n(check-sat)\n",
                good.split("(assert").next().unwrap()
            );
            assert_eq!(for_z3(&script), script);
        }
        let unasked = good.replace("(check-sat)\n", "");
        assert_eq!(for_z3(&unasked), unasked);
        let model = format!("{good}(get-model)\n");
        assert_eq!(for_z3(&model), model);
    }

    #[test]
    fn quotes_and_comments_hide_what_is_in_them() {
        assert_eq!(
            for_z3("(= \"a\"\"(set.member\" (set.member x y)) ; set.member\n"),
            "(= \"a\"\"(set.member\" (select y x)) ; set.member\n"
        );
        assert_eq!(for_z3("(set.member \"a\"\"\" x)"), "(select x \"a\"\"\")");
        assert_eq!(for_z3("(set.member \"a\"\" x)"), "(set.member \"a\"\" x)");
        assert_eq!(for_z3("(set.member x"), "(set.member x");
        assert_eq!(for_z3("(set.member x y))"), "(select y x))");
    }
}
