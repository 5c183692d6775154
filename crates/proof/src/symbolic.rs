//! Policies as questions to solvers. The only module that knows `cedar-policy-symcc`.
//!
//! A question is posed for one request environment: a type of principal, an action, a type of resource. symcc settles many
//! by itself ("folding"); the others become SMT-LIB scripts, each a standalone text that any solver can run. A script is
//! satisfiable exactly if there is a counterexample.

use std::fmt;

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, Policy, PolicySet, Request, RequestEnv, ResourceConstraint,
    Schema, ValidationMode, Validator,
};
use cedar_policy_symcc::solver::{Decision, DecisionWithModel, Solver, SolverError};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet, CompiledSchema, ResetMode, SmtLibScript as _,
    WellFormedAsserts, disjoint_asserts, equivalent_asserts, implies_asserts, never_errors_asserts,
};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

/// The versions that scripts depend on. A test compares them with the manifests.
pub const CEDAR_VERSION: &str = "4.14.1";
/// Version of the encoder.
pub const SYMCC_VERSION: &str = "0.8.1";

/// Why a question cannot be posed, or an answer not be read.
#[derive(Debug, thiserror::Error)]
pub enum SymbolicError {
    /// The schema cannot be read or encoded.
    #[error("the schema cannot be encoded: {0}")]
    Schema(String),
    /// Policies cannot be encoded.
    #[error("the policies cannot be encoded for `{environment}`: {why}")]
    Encode {
        /// Where.
        environment: String,
        /// Why.
        why: String,
    },
    /// What a solver gave as its model is none, or does not satisfy the question.
    #[error("the solver's model cannot be read back for `{environment}`: {why}")]
    Model {
        /// Where.
        environment: String,
        /// Why.
        why: String,
    },
}

/// What is asked of two sets of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asks {
    /// Whatever the left permits, the right permits.
    Implies,
    /// Nothing is permitted by both.
    Disjoint,
    /// Left and right decide alike.
    Equivalent,
    /// No policy of the left can err when it is evaluated.
    NeverErrs,
}

/// Whether a script can be satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// There is a counterexample.
    Sat,
    /// There is none.
    Unsat,
}

/// A question for one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posed {
    /// Settled by symcc, without a solver.
    Folded(Answer),
    /// For solvers to settle.
    Script(String),
}

/// One request environment of a schema.
#[derive(Debug, Clone)]
pub struct Environment {
    principal: String,
    action: EntityUid,
    resource: String,
    request: RequestEnv,
}

impl Environment {
    /// The type of principal.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The action's id.
    #[must_use]
    pub fn action(&self) -> &str {
        self.action.id().unescaped()
    }

    /// The type of resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Whether the head of a policy leaves room for this environment. What it leaves out would be folded to `false`.
    fn concerns(&self, policy: &Policy) -> bool {
        self.is_in(&Head::of(policy))
    }

    fn is_in(&self, head: &Head) -> bool {
        let action = match &head.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(action) => *action == self.action,
            ActionConstraint::In(actions) => actions.contains(&self.action),
        };
        action && head.resource.as_ref().is_none_or(|kind| *kind == self.resource)
    }

    /// For each environment the policies of a set that can have a say in it: each policy's head is looked at once.
    pub(crate) fn all_relevant(environments: &[Self], policies: &PolicySet) -> Vec<PolicySet> {
        let mut all: Vec<Vec<Policy>> = vec![Vec::new(); environments.len()];
        for policy in policies.policies() {
            let head = Head::of(policy);
            for (environment, of_it) in environments.iter().zip(&mut all) {
                if environment.is_in(&head) {
                    of_it.push(policy.clone());
                }
            }
        }
        // Ids within one set differ already.
        all.into_iter()
            .map(|of_it| PolicySet::from_policies(of_it).unwrap_or_default())
            .collect()
    }

    /// The policies of a set that can have a say in this environment.
    #[must_use]
    pub fn relevant(&self, policies: &PolicySet) -> PolicySet {
        let relevant = policies.policies().filter(|policy| self.concerns(policy));
        // Ids within one set differ already.
        PolicySet::from_policies(relevant.cloned()).unwrap_or_default()
    }
}

/// What a policy's head leaves room for.
struct Head {
    action: ActionConstraint,
    /// The type of resource, if there is but one.
    resource: Option<String>,
}

impl Head {
    fn of(policy: &Policy) -> Self {
        Self {
            action: policy.action_constraint(),
            resource: match policy.resource_constraint() {
                ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => Some(kind.to_string()),
                ResourceConstraint::Eq(uid) => Some(uid.type_name().to_string()),
                _ => None,
            },
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.principal, self.action(), self.resource)
    }
}

/// A schema, encoded once.
#[derive(Debug, Clone)]
pub struct Model {
    schema: CompiledSchema,
    environments: Vec<Environment>,
}

impl Model {
    /// Encodes a schema.
    ///
    /// # Errors
    /// It has no complete meaning to the encoder.
    pub fn new(schema: &Schema) -> Result<Self, SymbolicError> {
        let compiled =
            CompiledSchema::new(schema).map_err(|error| SymbolicError::Schema(error.to_string()))?;
        let mut environments: Vec<Environment> = schema
            .request_envs()
            .map(|request| Environment {
                principal: request.principal().to_string(),
                action: request.action().clone(),
                resource: request.resource().to_string(),
                request,
            })
            .collect();
        environments.sort_by_cached_key(ToString::to_string);
        Ok(Self {
            schema: compiled,
            environments,
        })
    }

    /// All request environments, in the order of their names.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        self.schema.schema()
    }

    /// Encodes the policies that have a say in an environment.
    ///
    /// # Errors
    /// One of them cannot be encoded.
    pub fn encode(&self, environment: &Environment, policies: &PolicySet) -> Result<Encoded, SymbolicError> {
        let failed = |error: cedar_policy_symcc::err::Error| refused(environment, &error);
        let symbols = self
            .schema
            .sym_env(&environment.request)
            .map_err(|error| refused(environment, &error))?;
        let set = environment.relevant(policies);
        let compiled =
            CompiledPolicySet::compile_with_custom_symenv(&set, &environment.request, self.schema(), symbols);
        Ok(Encoded(compiled.map_err(failed)?))
    }

    /// Validates policies strictly, as encoding them does.
    ///
    /// # Errors
    /// One of them does not fit the schema.
    pub fn validate(&self, environment: &Environment, policies: &PolicySet) -> Result<(), SymbolicError> {
        let validator = Validator::new(self.schema().clone());
        let result = validator.validate(policies, ValidationMode::Strict);
        match result.validation_errors().next() {
            None => Ok(()),
            Some(error) => Err(SymbolicError::Encode {
                environment: environment.to_string(),
                why: error.to_string(),
            }),
        }
    }

    /// Asks whether one policy can err. `None` if its head leaves this environment out.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn never_errs(
        &self,
        environment: &Environment,
        policy: &Policy,
    ) -> Result<Option<Posed>, SymbolicError> {
        if !environment.concerns(policy) {
            return Ok(None);
        }
        let symbols = self
            .schema
            .sym_env(&environment.request)
            .map_err(|error| refused(environment, &error))?;
        let compiled =
            CompiledPolicy::compile_with_custom_symenv(policy, &environment.request, self.schema(), symbols)
                .map_err(|error| refused(environment, &error))?;
        posed(environment, &never_errors_asserts(&compiled)).map(Some)
    }
}

fn refused(environment: &Environment, error: &cedar_policy_symcc::err::Error) -> SymbolicError {
    SymbolicError::Encode {
        environment: environment.to_string(),
        why: chain(error),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A set of policies, encoded for one environment.
#[derive(Debug, Clone)]
pub struct Encoded(CompiledPolicySet);

/// A question about two sets, both encoded for one environment.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// What.
    pub asks: Asks,
    /// Of whom.
    pub left: &'a Encoded,
    /// Against whom.
    pub right: &'a Encoded,
}

impl Query<'_> {
    fn asserts(&self) -> WellFormedAsserts<'_> {
        let (left, right) = (&self.left.0, &self.right.0);
        match self.asks {
            Asks::Implies => implies_asserts(left, right),
            Asks::Disjoint => disjoint_asserts(left, right),
            // That policies do not err is asked of each by itself: `Model::never_errs`.
            Asks::Equivalent | Asks::NeverErrs => equivalent_asserts(left, right),
        }
    }

    /// The question as a script, unless symcc settles it.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn pose(&self) -> Result<Posed, SymbolicError> {
        posed(self.environment, &self.asserts())
    }

    /// The same script, which also asks for a model. `None`: symcc settles it.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn script_with_model(&self) -> Result<Option<String>, SymbolicError> {
        let asserts = self.asserts();
        if folded(&asserts).is_some() {
            return Ok(None);
        }
        let mut compiler = compiler(Recorder::default(), self.environment)?;
        // The recorder does not know the answer, which is an error to whoever asked.
        let _ = compiler.check_sat(&asserts).now_or_never();
        recorded(compiler.solver_mut(), self.environment).map(Some)
    }

    /// The request and the entities that a solver's model stands for. `None` for the model: symcc settled the question, and
    /// any will do.
    ///
    /// # Errors
    /// The model cannot be read.
    pub fn counterexample(&self, model: Option<&str>) -> Result<(Request, Entities), SymbolicError> {
        let unreadable = |why: String| SymbolicError::Model {
            environment: self.environment.to_string(),
            why,
        };
        let recorder = Recorder {
            script: Vec::new(),
            model: model.map(str::to_owned),
        };
        let mut compiler = compiler(recorder, self.environment)?;
        let found = compiler.check_sat(&self.asserts()).now_or_never();
        match found {
            Some(Ok(Some(found))) => Ok((found.request, found.entities)),
            Some(Ok(None)) => Err(unreadable("there is no counterexample".to_owned())),
            Some(Err(error)) => Err(unreadable(chain(&error))),
            None => Err(unreadable("the encoder waits for something".to_owned())),
        }
    }
}

fn folded(asserts: &WellFormedAsserts<'_>) -> Option<Answer> {
    let mut terms = asserts.asserts().iter();
    if terms.clone().any(|term| *term == false.into()) {
        Some(Answer::Unsat)
    } else if terms.all(|term| *term == true.into()) {
        Some(Answer::Sat)
    } else {
        None
    }
}

fn posed(environment: &Environment, asserts: &WellFormedAsserts<'_>) -> Result<Posed, SymbolicError> {
    if let Some(answer) = folded(asserts) {
        return Ok(Posed::Folded(answer));
    }
    let mut compiler = compiler(Recorder::default(), environment)?;
    // The recorder does not know the answer, which is an error to whoever asked.
    let _ = compiler.check_unsat(asserts).now_or_never();
    recorded(compiler.solver_mut(), environment).map(Posed::Script)
}

fn compiler(
    recorder: Recorder,
    environment: &Environment,
) -> Result<CedarSymCompiler<Recorder>, SymbolicError> {
    let compiler = CedarSymCompiler::new(recorder).map_err(|error| refused(environment, &error))?;
    Ok(compiler.with_reset_mode(ResetMode::Comment))
}

/// What was written, which is a whole script only if it ends by asking.
fn recorded(recorder: &mut Recorder, environment: &Environment) -> Result<String, SymbolicError> {
    let text = String::from_utf8(std::mem::take(&mut recorder.script)).unwrap_or_default();
    if text.contains("(check-sat)\n") {
        Ok(text)
    } else {
        Err(SymbolicError::Encode {
            environment: environment.to_string(),
            why: "the script does not come to its end".to_owned(),
        })
    }
}

/// Writes down what a solver would be sent, and answers with a model that is handed in, or not at all.
#[derive(Debug, Default)]
struct Recorder {
    script: Vec<u8>,
    model: Option<String>,
}

impl Solver for Recorder {
    fn smtlib_input(&mut self) -> &mut (dyn tokio::io::AsyncWrite + Unpin + Send) {
        &mut self.script
    }

    async fn enable_models(&mut self) -> Result<(), SolverError> {
        Ok(self.script.set_option("produce-models", "true").await?)
    }

    async fn check_sat(&mut self) -> Result<Decision, SolverError> {
        self.script.check_sat().await?;
        Ok(Decision::Unknown)
    }

    async fn check_sat_with_model(&mut self) -> Result<DecisionWithModel, SolverError> {
        self.script.check_sat().await?;
        self.script.get_model().await?;
        Ok(match self.model.take() {
            Some(model) => DecisionWithModel::Sat { model },
            None => DecisionWithModel::Unknown,
        })
    }
}
