//! How deep a text is, before anybody reads it: Cedar's parser recurses, and so does everything after it.

use super::lower::Lowered;
use super::refusal::{ConditionError, Reason};
use super::{MAX_CHAIN, MAX_DEPTH};

/// What makes an expression deeper without a bracket.
#[derive(Default)]
struct Depth {
    /// Open brackets.
    brackets: usize,
    /// `&&` and `||`, in all.
    logic: usize,
    /// `if`, in all: each `else` may be the next.
    choices: usize,
    /// `+`, `-`, `*` and `!`, in all.
    arithmetic: usize,
    /// `.`, `[` and `::` one after another, with nothing but names and brackets between.
    steps: usize,
}

pub(super) fn check(source: &str) -> Lowered<()> {
    let mut depth = Depth::default();
    let mut rest = source.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, char)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        let reason = match (char, next) {
            ('"', _) => {
                skip_string(&mut rest);
                None
            }
            ('/', Some('/')) => {
                skip_line(&mut rest);
                None
            }
            _ => depth.add(before, char, next),
        };
        before = char;
        if let Some(reason) = reason {
            return Err(ConditionError {
                span: at..at + char.len_utf8(),
                reason,
            });
        }
    }
    Ok(())
}

impl Depth {
    /// One more character, outside of strings, between two others.
    fn add(&mut self, before: char, char: char, next: Option<char>) -> Option<Reason> {
        match (char, next) {
            ('(' | '{', _) => self.brackets += 1,
            ('[', _) => {
                self.brackets += 1;
                self.steps += 1;
            }
            (')' | ']' | '}', _) => self.brackets = self.brackets.saturating_sub(1),
            ('&', Some('&')) | ('|', Some('|')) => {
                self.logic += 1;
                self.steps = 0;
            }
            // At least every word `if`, at most every word that begins so.
            ('i', Some('f')) if !before.is_alphanumeric() && before != '_' => self.choices += 1,
            ('+' | '-' | '*' | '!', _) => self.arithmetic += 1,
            ('.' | ':', _) => self.steps += 1,
            ('=' | '<' | '>' | ',', _) => self.steps = 0,
            _ => {}
        }
        let chains = [self.logic, self.choices, self.arithmetic, self.steps];
        if self.brackets > MAX_DEPTH {
            Some(Reason::TooDeep)
        } else if chains.into_iter().any(|chain| chain > MAX_CHAIN) {
            Some(Reason::TooMany)
        } else {
            None
        }
    }
}

fn skip_string(rest: &mut impl Iterator<Item = (usize, char)>) {
    let mut escaped = false;
    for (_, char) in rest {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return,
            _ => {}
        }
    }
}

fn skip_line(rest: &mut impl Iterator<Item = (usize, char)>) {
    for (_, char) in rest {
        if char == '\n' {
            return;
        }
    }
}
