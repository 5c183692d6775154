//! From the files of guardrails to the statute.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{
    self, ActionConstraint, BinaryOp, Clause, EntityType, EntityUID, Expr, Literal, Name, PolicyID,
    PrincipalConstraint, ResourceConstraint, StaticPolicy, Template,
};
use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use evidence::id::DatasetId;
use std::ops::Range;
use std::sync::Arc;

use super::expand::{Body, Expander, joined, not};
use super::fault::GuardrailFault;
use super::names::{self, Fault, Mentioned};
use super::notes::{Silence, notes};
use super::spared;
use super::split::{place_of, policies_of, too_deep};
use super::vocabulary::Vocabulary;
use super::{
    Effect, Guardrail, GuardrailFile, MAX_GUARDRAIL_BYTES, MAX_GUARDRAILS, Place, Rule, Spared, Statute,
};
use crate::cedar;
use crate::estate::{Estate, Finding, Problem, line, position};

/// A guardrail with what is needed to write it out and to point at it.
struct Read<'a> {
    file: &'a GuardrailFile,
    span: Range<usize>,
    guardrail: Guardrail,
    template: Template,
}

impl Read<'_> {
    fn finding(&self, fault: Fault) -> Finding {
        found(self.file, &self.span, fault)
    }
}

fn found(file: &GuardrailFile, span: &Range<usize>, fault: Fault) -> Finding {
    let policy = file.text.get(span.clone()).unwrap_or_default();
    let within = place_of(policy, &fault.needle);
    let place = span.start + within.start..span.start + within.end;
    Finding::new(&file.file, place, fault.problem)
}

pub(super) fn compile(estate: &Estate, files: &[GuardrailFile]) -> Result<Statute, Vec<Finding>> {
    let vocabulary = Vocabulary::new(estate);
    let mut findings = Vec::new();
    let mut mentioned = Mentioned::default();
    let read = read_all(files, &vocabulary, &mut mentioned, &mut findings);
    if !findings.is_empty() {
        return Err(findings);
    }
    let mut writing = Writing {
        vocabulary: &vocabulary,
        rules: Vec::new(),
        applied: BTreeSet::new(),
        silences: Vec::new(),
        spared: BTreeSet::new(),
    };
    for place in vocabulary.places() {
        writing.forbids(&place, &read, &mut findings);
        writing.exceptions(&place, &read, &mut findings);
    }
    if !findings.is_empty() {
        // One that is wrong in one place is mostly wrong in all.
        let mut seen = BTreeSet::new();
        findings.retain(|finding| seen.insert((finding.file().to_owned(), finding.span().start)));
        return Err(findings);
    }
    let Writing {
        rules,
        applied,
        silences,
        mut spared,
        ..
    } = writing;
    validate(estate, &rules, &read, &mut findings);
    if !findings.is_empty() {
        return Err(findings);
    }
    let guardrails: Vec<Guardrail> = read.into_iter().map(|read| read.guardrail).collect();
    let strict = |silence: &Silence| {
        let of = guardrails.iter().find(|one| one.id == silence.guardrail);
        of.is_some_and(|one| one.effect == Effect::Only)
    };
    // An exception that asks for what is not there excepts nothing: nobody is spared by that.
    spared.extend(
        silences
            .iter()
            .filter(|silence| !strict(silence))
            .filter_map(Silence::spares),
    );
    let notes = notes(&vocabulary, &guardrails, &mentioned, &applied, &silences);
    Ok(Statute {
        guardrails,
        rules,
        notes,
        spared,
    })
}

fn read_all<'a>(
    files: &'a [GuardrailFile],
    vocabulary: &Vocabulary<'_>,
    mentioned: &mut Mentioned,
    findings: &mut Vec<Finding>,
) -> Vec<Read<'a>> {
    let mut all: Vec<Read<'a>> = Vec::new();
    let mut ids = BTreeSet::new();
    for file in files {
        for span in policies_of(&file.text) {
            if all.len() >= MAX_GUARDRAILS {
                findings.push(found(file, &span, Fault::new("", GuardrailFault::TooMany)));
                return all;
            }
            let read = read(file, span.clone()).and_then(|read| {
                names::check(&read.template, vocabulary, mentioned)?;
                if ids.insert(read.guardrail.id.clone()) {
                    return Ok(read);
                }
                let id = read.guardrail.id;
                Err(Fault::new(
                    names::quoted(&id),
                    Problem::Twice {
                        what: "guardrail",
                        id,
                    },
                ))
            });
            match read {
                Ok(read) => all.push(read),
                Err(fault) => findings.push(found(file, &span, fault)),
            }
        }
    }
    all
}

fn read(file: &GuardrailFile, span: Range<usize>) -> Result<Read<'_>, Fault> {
    let text = file.text.get(span.clone()).unwrap_or_default();
    if text.len() > MAX_GUARDRAIL_BYTES {
        return Err(Fault::new("", GuardrailFault::TooLong));
    }
    if too_deep(text).is_some() {
        return Err(Fault::new("", GuardrailFault::TooDeep));
    }
    let policy = Policy::parse(Some(PolicyId::new("guardrail")), text).map_err(|error| {
        let fault = if text.contains("?principal") || text.contains("?resource") {
            GuardrailFault::Template
        } else {
            GuardrailFault::Syntax(error.to_string())
        };
        Fault::new("", fault)
    })?;
    let id = policy.annotation("id").filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Fault::new("", GuardrailFault::NoId))?;
    // Ids look like ids of data sets: they stand in names of policies.
    let id = id
        .parse::<DatasetId>()
        .map_err(|error| Fault::new(names::quoted(id), error))?
        .to_string();
    let citation = policy
        .annotation("citation")
        .filter(|citation| !citation.is_empty());
    let citation = citation.ok_or_else(|| Fault::new("", GuardrailFault::NoCitation))?;
    let citation = line(citation, "the citation").map_err(|problem| Fault::new("@citation", problem))?;
    let tree = policy
        .to_pst()
        .map_err(|error| Fault::new("", GuardrailFault::Syntax(error.to_string())))?;
    let template = tree.body().clone();
    let effect = match policy.effect() {
        cedar_policy::Effect::Forbid => Effect::Forbid,
        cedar_policy::Effect::Permit => Effect::Only,
    };
    let (line, column) = position(&file.text, span.start);
    let guardrail = Guardrail {
        id,
        citation,
        effect,
        file: file.file.clone(),
        line,
        column,
        text: text.to_owned(),
    };
    Ok(Read {
        file,
        span,
        guardrail,
        template,
    })
}

struct Writing<'a> {
    vocabulary: &'a Vocabulary<'a>,
    rules: Vec<Rule>,
    /// The guardrails that have a say somewhere.
    applied: BTreeSet<String>,
    silences: Vec<Silence>,
    spared: BTreeSet<Spared>,
}

impl Writing<'_> {
    /// Keeps which columns a data set lacks for which rows come off more lightly.
    fn spare(&mut self, place: &Place, one: &Read<'_>) {
        let Some(dataset) = self.vocabulary.dataset(place) else {
            return;
        };
        for column in spared::asked_for(dataset, &one.template) {
            self.spared.insert(Spared {
                dataset: dataset.id.clone(),
                column,
                guardrail: one.guardrail.id.clone(),
            });
        }
    }

    fn forbids(&mut self, place: &Place, read: &[Read<'_>], findings: &mut Vec<Finding>) {
        let expander = Expander::new(self.vocabulary, place);
        for one in read.iter().filter(|one| one.guardrail.effect == Effect::Forbid) {
            let id = &one.guardrail.id;
            let body = expander.forbid(&one.template);
            if !matches!(body, Ok(Body::Outside)) {
                self.spare(place, one);
            }
            match body {
                Ok(Body::When(conditions)) => {
                    self.applied.insert(id.clone());
                    let rule = rule(
                        format!("{id}@{}", place_name(place)),
                        &[one],
                        place,
                        joined(BinaryOp::And, conditions),
                    );
                    match rule {
                        Ok(rule) => self.rules.push(rule),
                        Err(fault) => findings.push(one.finding(fault)),
                    }
                }
                Ok(Body::Missing(what)) => self.silences.push(Silence {
                    guardrail: id.clone(),
                    place: place.clone(),
                    what,
                }),
                Ok(Body::Outside | Body::Never) => {}
                Err(fault) => findings.push(one.finding(fault)),
            }
        }
    }

    fn exceptions(&mut self, place: &Place, read: &[Read<'_>], findings: &mut Vec<Finding>) {
        let mut files: BTreeMap<&str, Vec<&Read<'_>>> = BTreeMap::new();
        for one in read.iter().filter(|one| one.guardrail.effect == Effect::Only) {
            files.entry(&one.file.file).or_default().push(one);
        }
        for (file, list) in files {
            if let Some(rule) = self.exceptions_of(file, place, &list, findings) {
                self.rules.push(rule);
            }
        }
    }

    fn exceptions_of(
        &mut self,
        file: &str,
        place: &Place,
        list: &[&Read<'_>],
        findings: &mut Vec<Finding>,
    ) -> Option<Rule> {
        let expander = Expander::new(self.vocabulary, place);
        let (mut heads, mut permitted, mut covering) = (Vec::new(), Vec::new(), Vec::new());
        for one in list {
            let head = expander.head(&one.template);
            let body = expander.exception(&one.template);
            match (head, body) {
                (Ok(None), _) => {}
                // It asks for a row or a column, so it is about reading.
                (_, Ok(Body::Missing(_))) if *place == Place::Connect => {}
                (Ok(Some(head)), Ok(body)) => {
                    heads.push(joined(BinaryOp::And, head));
                    covering.push(*one);
                    self.applied.insert(one.guardrail.id.clone());
                    self.spare(place, one);
                    match body {
                        Body::When(conditions) => permitted.push(joined(BinaryOp::And, conditions)),
                        Body::Missing(what) => self.silences.push(Silence {
                            guardrail: one.guardrail.id.clone(),
                            place: place.clone(),
                            what,
                        }),
                        Body::Outside | Body::Never => {}
                    }
                }
                (Err(fault), _) | (_, Err(fault)) => findings.push(one.finding(fault)),
            }
        }
        let first = covering.first()?;
        // What has no exception at all stays forbidden: `!false`.
        let condition = joined(
            BinaryOp::And,
            vec![joined(BinaryOp::Or, heads), not(joined(BinaryOp::Or, permitted))],
        );
        let id = format!("{}@{}", file.trim_start_matches("guardrails/"), place_name(place));
        rule(id, &covering, place, condition)
            .map_err(|fault| findings.push(first.finding(fault)))
            .ok()
    }
}

fn place_name(place: &Place) -> String {
    match place {
        // No data set's id has a `:`.
        Place::Connect => ":connect".to_owned(),
        Place::Read(dataset) => dataset.to_string(),
    }
}

fn rule(id: String, of: &[&Read<'_>], place: &Place, condition: Expr) -> Result<Rule, Fault> {
    let invalid = |error: String| Fault::new("", GuardrailFault::Invalid(error));
    let kind = |name: &str| {
        Name::unqualified(name)
            .map(EntityType)
            .map_err(|error| invalid(error.to_string()))
    };
    let action = EntityUID {
        ty: kind("Action")?,
        eid: place.action().into(),
    };
    let guardrails: Vec<String> = of.iter().map(|one| one.guardrail.id.clone()).collect();
    let citations: BTreeSet<&str> = of.iter().map(|one| one.guardrail.citation.as_str()).collect();
    let citations: Vec<&str> = citations.into_iter().collect();
    let annotations = [("id", id.clone()), ("citation", citations.join("; "))];
    let template = Template::new(
        PolicyID(id.as_str().into()),
        pst::Effect::Forbid,
        PrincipalConstraint::Is(kind("Officer")?),
        ActionConstraint::Eq(action),
        ResourceConstraint::Is(kind(&place.resource())?),
    )
    .try_with_clauses(match condition {
        Expr::Literal(Literal::Bool(true)) => Vec::new(),
        condition => vec![Clause::When(Arc::new(condition))],
    })
    .map_err(|error| invalid(error.to_string()))?
    .with_annotations(
        annotations
            .map(|(key, value)| (key.to_owned(), value.into()))
            .into(),
    );
    let policy = StaticPolicy::try_from(template).map_err(|error| invalid(error.to_string()))?;
    let policy = Policy::from_pst(pst::Policy::Static(policy)).map_err(|error| invalid(error.to_string()))?;
    let text = policy
        .to_cedar()
        .ok_or_else(|| invalid("it cannot be written as text".to_owned()))?;
    Ok(Rule {
        id,
        guardrails,
        place: place.clone(),
        text,
    })
}

/// Cedar's strict validation of every rule, against the estate's schema.
fn validate(estate: &Estate, rules: &[Rule], read: &[Read<'_>], findings: &mut Vec<Finding>) {
    let ours = |error: String| Finding::of_file("guardrails", Problem::Model(error));
    let schema = match Schema::from_cedarschema_str(&cedar::schema(estate)) {
        Ok((schema, _)) => schema,
        Err(error) => return findings.push(ours(error.to_string())),
    };
    let mut set = PolicySet::new();
    for rule in rules {
        let added = Policy::parse(Some(PolicyId::new(&rule.id)), &rule.text)
            .map_err(|error| error.to_string())
            .and_then(|policy| set.add(policy).map_err(|error| error.to_string()));
        if let Err(error) = added {
            findings.push(ours(error));
        }
    }
    let mut seen = BTreeSet::new();
    for error in Validator::new(schema)
        .validate(&set, ValidationMode::Strict)
        .validation_errors()
    {
        let id = error.policy_id().to_string();
        let blamed = rules.iter().find(|rule| rule.id == id);
        let guardrail = blamed.and_then(|rule| rule.guardrails.first());
        let Some(one) = read.iter().find(|one| Some(&one.guardrail.id) == guardrail) else {
            findings.push(ours(error.to_string()));
            continue;
        };
        let text = error.to_string();
        let text = text
            .strip_prefix(&format!("for policy `{id}`, "))
            .unwrap_or(&text);
        let help = miette::Diagnostic::help(error)
            .map(|help| format!(" ({help})"))
            .unwrap_or_default();
        let message = format!("{text}{help}");
        if seen.insert((one.guardrail.id.clone(), message.clone())) {
            findings.push(one.finding(Fault::new(
                attribute_in(&message),
                GuardrailFault::Invalid(message),
            )));
        }
    }
}

/// The attribute a message of the validator's is about, to find its place.
fn attribute_in(message: &str) -> String {
    let name = message.split('`').nth(1).unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default().to_owned()
}
