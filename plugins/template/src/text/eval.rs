//! The tree and the query's data to text.

use super::function::Function;
use super::tree::{Branches, Node, Operand, Pipeline, Template};
use super::value::{Object, Value};

/// What a template is about.
pub(crate) trait Subject {
    /// The field of that name; `None` where there is none.
    fn field(&self, of: Object, name: &str) -> Option<Value>;

    /// The metadata of that name; empty where there is none.
    fn meta(&self, label: &str) -> String;
}

/// Why a template could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct EvalError(String);

impl EvalError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl Template {
    /// The text with everything filled in.
    pub(crate) fn fill_in(&self, subject: &dyn Subject) -> Result<String, EvalError> {
        let mut variables = vec![Value::Nil; self.n_variables];
        variables[0] = Value::Object(Object::Root);
        let mut scope = Scope { subject, variables, output: String::new(), n_rounds: 0 };
        scope.nodes(&self.nodes, &Value::Object(Object::Root))?;
        Ok(scope.output)
    }
}

struct Scope<'a> {
    subject: &'a dyn Subject,
    variables: Vec<Value>,
    output: String,
    /// Rounds of all `range` so far.
    n_rounds: usize,
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Scope<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, EvalError> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.output.push_str(text);
                    Flow::On
                }
                Node::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.declared.is_empty() {
                        self.print(&value)?;
                    }
                    Flow::On
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
                Node::If(branches) => {
                    let is_true = self.pipeline(&branches.pipeline, dot)?.is_true();
                    self.branch(branches, is_true, dot, dot)?
                }
                Node::With(branches) => {
                    let value = self.pipeline(&branches.pipeline, dot)?;
                    self.branch(branches, value.is_true(), &value, dot)?
                }
                Node::Range(branches) => self.range(branches, dot)?,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn branch(
        &mut self,
        branches: &Branches,
        is_true: bool,
        then_dot: &Value,
        else_dot: &Value,
    ) -> Result<Flow, EvalError> {
        match &branches.otherwise {
            _ if is_true => self.nodes(&branches.then, then_dot),
            Some(otherwise) => self.nodes(otherwise, else_dot),
            None => Ok(Flow::On),
        }
    }

    fn range(&mut self, branches: &Branches, dot: &Value) -> Result<Flow, EvalError> {
        let over = self.value_of(&branches.pipeline, dot)?;
        let items: Vec<(Value, Value)> = match over {
            Value::Nil => Vec::new(),
            Value::List(items) => (0_i64..).map(Value::Int).zip(items).collect(),
            Value::Map(map) => {
                map.entries.into_iter().map(|(key, value)| (Value::Text(key), value)).collect()
            }
            Value::Int(n) => {
                let n = n.min(i64::try_from(MAX_ROUNDS).unwrap_or(i64::MAX) + 1);
                (0..n).map(|i| (Value::Int(i), Value::Int(i))).collect()
            }
            other => {
                return Err(EvalError::new(format!("range cannot go over {}", other.kind())));
            }
        };
        if items.is_empty() {
            return self.branch(branches, false, dot, dot);
        }
        for (key, item) in items {
            self.n_rounds += 1;
            if self.n_rounds > MAX_ROUNDS {
                return Err(EvalError::new(format!("range went round {MAX_ROUNDS} times")));
            }
            match branches.pipeline.declared.as_slice() {
                [] => {}
                [only] => self.variables[only.slot] = item.clone(),
                [first, second, ..] => {
                    self.variables[first.slot] = key;
                    self.variables[second.slot] = item.clone();
                }
            }
            if self.nodes(&branches.then, &item)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    /// The value of a pipeline, which its variable gets as well.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, EvalError> {
        let value = self.value_of(pipeline, dot)?;
        for variable in &pipeline.declared {
            self.variables[variable.slot] = value.clone();
        }
        Ok(value)
    }

    fn value_of(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, EvalError> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, piped, dot)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, EvalError> {
        let Some((first, others)) = command.split_first() else { return Ok(Value::Nil) };
        match first {
            Operand::Function(function @ (Function::And | Function::Or)) => {
                self.short_circuit(*function, others, piped, dot)
            }
            Operand::Function(function) => {
                let arguments = self.arguments(others, piped, dot)?;
                function.call(&arguments).map_err(|error| {
                    EvalError::new(format!("error calling {}: {error}", function.name()))
                })
            }
            Operand::Fields(fields) if is_meta(dot, fields) => self.meta(others, piped, dot),
            Operand::Variable(variable, fields)
                if is_meta(&self.variables[variable.slot], fields) =>
            {
                self.meta(others, piped, dot)
            }
            value if others.is_empty() && piped.is_none() => match value {
                Operand::Nil => Err(EvalError::new("nil is not a command")),
                _ => self.operand(value, dot),
            },
            value => Err(EvalError::new(format!("`{value}` takes no arguments"))),
        }
    }

    fn arguments(
        &mut self,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Vec<Value>, EvalError> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        Ok(arguments)
    }

    /// `and` ends at the first false argument, `or` at the first true one.
    fn short_circuit(
        &mut self,
        function: Function,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, EvalError> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, dot)?;
            let decides = value.is_true() == (function == Function::Or);
            if decides {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or_else(|| {
            EvalError::new(format!("{} wants at least one argument", function.name()))
        })
    }

    fn meta(
        &mut self,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, EvalError> {
        match self.arguments(operands, piped, dot)?.as_slice() {
            [Value::Text(label)] => Ok(Value::Text(self.subject.meta(label))),
            _ => Err(EvalError::new("`.Meta` wants one string")),
        }
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, EvalError> {
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Nil => Ok(Value::Nil),
            Operand::Literal(_, value) => Ok(value.clone()),
            Operand::Fields(fields) => self.fields(dot.clone(), fields),
            Operand::Variable(variable, fields) => {
                self.fields(self.variables[variable.slot].clone(), fields)
            }
            Operand::Function(_) => self.command(std::slice::from_ref(operand), None, dot),
            Operand::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            Operand::Chain(of, fields) => {
                let of = self.operand(of, dot)?;
                self.fields(of, fields)
            }
        }
    }

    fn fields(&self, mut of: Value, fields: &[String]) -> Result<Value, EvalError> {
        for field in fields {
            of = match &of {
                Value::Map(map) => map.field(field),
                Value::Object(object) => self
                    .subject
                    .field(*object, field)
                    .ok_or_else(|| EvalError::new(format!("there is no field `{field}`")))?,
                other => {
                    return Err(EvalError::new(format!("{} has no field `{field}`", other.kind())));
                }
            };
        }
        Ok(of)
    }

    fn print(&mut self, value: &Value) -> Result<(), EvalError> {
        match value {
            Value::Nil => self.output.push_str("<no value>"),
            Value::Object(_) => return Err(EvalError::new("an object cannot be printed")),
            value => self.output.push_str(&value.to_string()),
        }
        if self.output.len() > MAX_OUTPUT {
            return Err(EvalError::new(format!("the text is longer than {MAX_OUTPUT} octets")));
        }
        Ok(())
    }
}

/// Whether `.Meta` of the root is asked for, the one field that takes an argument.
fn is_meta(of: &Value, fields: &[String]) -> bool {
    *of == Value::Object(Object::Root) && fields == ["Meta"]
}

/// No record in text is as long: a name has at most 1,004 octets, data at most 65,535, each up to four characters.
const MAX_OUTPUT: usize = 512 * 1024;
/// A template that goes round more often makes no record.
const MAX_ROUNDS: usize = 100_000;
