//! What the demo says: one line for each step, and what each step found, for one document at the end.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock;
use crate::failure::Failure;
use crate::output::{Console, Tone};

/// Width of the column that says who or what a step is about.
const WHO: usize = 17;

/// One step, and whether it did what it must.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Name for programs; never the same twice in one run.
    id: &'static str,
    /// Who or what it is about.
    who: &'static str,
    /// Whether everything it must do was done.
    holds: bool,
    /// What happened, in one line.
    said: String,
    /// What must have been so and was not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    broken: Vec<String>,
    /// More lines for a person.
    #[serde(skip)]
    shown: Vec<String>,
    /// Figures and texts for programs.
    #[serde(flatten)]
    facts: Map<String, Value>,
}

impl Step {
    /// A step that says this.
    #[must_use]
    pub fn new(id: &'static str, who: &'static str, said: impl Into<String>) -> Self {
        Self {
            id,
            who,
            holds: true,
            said: said.into(),
            broken: Vec::new(),
            shown: Vec::new(),
            facts: Map::new(),
        }
    }

    /// Something that must be so, in words.
    #[must_use]
    pub fn must(mut self, holds: bool, what: impl Into<String>) -> Self {
        if !holds {
            self.holds = false;
            self.broken.push(what.into());
        }
        self
    }

    /// Two values that must be equal.
    #[must_use]
    pub fn equal<T: PartialEq + std::fmt::Debug>(self, what: &str, found: &T, wanted: &T) -> Self {
        self.must(
            found == wanted,
            format!("{what} must be {wanted:?}, and is {found:?}"),
        )
    }

    /// A line below the step's own.
    #[must_use]
    pub fn show(mut self, line: impl Into<String>) -> Self {
        self.shown.push(line.into());
        self
    }

    /// A fact for programs.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

/// All steps so far.
#[derive(Debug)]
pub struct Report {
    console: Console,
    began: Instant,
    steps: Vec<Step>,
}

impl Report {
    /// Nothing yet.
    #[must_use]
    pub fn new(console: Console) -> Self {
        Self {
            console,
            began: clock::monotonic(),
            steps: Vec::new(),
        }
    }

    /// Begins a part of the story.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn heading(&self, text: &str) -> Result<(), Failure> {
        self.console
            .line(format!("\n{}", self.console.paint(Tone::Strong, text)))
    }

    /// Says a step.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn add(&mut self, step: Step) -> Result<(), Failure> {
        let console = self.console;
        let (mark, tone) = if step.holds {
            ("✓", Tone::Good)
        } else {
            ("✗", Tone::Bad)
        };
        console.line(format!(
            "  {}  {:<WHO$} {}",
            console.paint(tone, mark),
            step.who,
            step.said
        ))?;
        let indent = " ".repeat(WHO.saturating_add(6));
        for line in &step.shown {
            console.line(format!("{indent}{}", console.paint(Tone::Quiet, line)))?;
        }
        for line in &step.broken {
            console.line(format!(
                "{indent}{}",
                console.paint(Tone::Bad, format!("BROKEN: {line}"))
            ))?;
        }
        self.steps.push(step);
        Ok(())
    }

    /// Whether every step did what it must.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.steps.iter().all(|step| step.holds)
    }

    /// How many steps there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.steps.len()
    }

    /// Seconds since the beginning.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The steps, for the document.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// A count with a comma between thousands.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (left, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if left > 0 && left % 3 == 0 {
            text.push(',');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 12, 999, 1_000, 81_553, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "12", "999", "1,000", "81,553", "1,234,567"]);
    }

    #[test]
    fn one_broken_step_breaks_the_report() {
        let mut report = Report::new(Console::new(true));
        report.add(Step::new("a", "a", "fine").must(true, "so")).unwrap();
        assert!(report.holds());
        report
            .add(Step::new("b", "b", "not fine").equal("rows", &1, &2))
            .unwrap();
        assert!(!report.holds());
        assert_eq!(report.steps()[1].broken, ["rows must be 2, and is 1"]);
    }
}
