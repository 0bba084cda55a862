//! Types, as far as they are known before there is a query.
//!
//! The check also replaces names by the places of what they mean, and compiles constant patterns.

use super::CompileError;
use super::eval::Program;
use super::parse::parse;
use super::tree::{Node, Operator};
use super::value::Type;

/// What expressions can name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// What the host answers.
    pub(crate) functions: Vec<Function>,
    /// What earlier expressions gave, in order.
    pub(crate) variables: Vec<(String, Type)>,
}

/// A function that the host answers.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Type],
    pub(crate) result: Type,
    /// Whether the answer depends on more than the arguments, the question and the header bits and EDNS fields that
    /// replies are kept apart by.
    pub(crate) is_impure: bool,
}

impl Environment {
    /// Whether the name is a function or a variable.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.functions.iter().any(|function| function.name == name)
            || self.variables.iter().any(|(known, _)| known == name)
    }

    /// Reads and checks an expression.
    pub(crate) fn compile(&self, source: &str) -> Result<Program, CompileError> {
        let mut node = parse(source)?;
        let mut checker =
            Checker { environment: self, locals: Vec::new(), pointers: Vec::new(), is_pure: true };
        let result = checker.node(&mut node)?;
        Ok(Program { node, result, is_pure: checker.is_pure })
    }
}

pub(super) struct Checker<'a> {
    environment: &'a Environment,
    locals: Vec<(String, Type)>,
    /// What `#` and its names are, innermost last.
    pointers: Vec<Vec<(&'static str, Type)>>,
    is_pure: bool,
}

type Checked = Result<Type, CompileError>;

impl Checker<'_> {
    pub(super) fn node(&mut self, node: &mut Node) -> Checked {
        Ok(match node {
            Node::Nil => Type::Nil,
            Node::Bool(_) => Type::Bool,
            Node::Int(_) => Type::Int,
            Node::Float(_) => Type::Float,
            Node::Text(_) => Type::Text,
            Node::List(items) => {
                let types = self.nodes(items)?;
                match types.split_first() {
                    Some((first, others)) if others.iter().all(|other| other == first) => {
                        Type::list(first.clone())
                    }
                    _ => Type::list(Type::Any),
                }
            }
            Node::Map(pairs) => {
                for (key, value) in pairs {
                    self.node(key)?;
                    self.node(value)?;
                }
                Type::Map(Box::new(Type::Any))
            }
            Node::Name(name) => {
                let (found, known) = self.name(name)?;
                *node = found;
                known
            }
            // Only the check makes these.
            Node::Variable(_) | Node::Local(_) | Node::Host(..) => Type::Any,
            Node::Pointer(name) => self.pointer(name)?,
            Node::Not(of) => {
                let of = self.node(of)?;
                if !of.fits(&Type::Bool) {
                    return Err(CompileError::new(format!("`not` wants a bool, not {of}")));
                }
                Type::Bool
            }
            Node::Minus(of) | Node::Plus(of) => {
                let of = self.node(of)?;
                if !of.is_number() && of != Type::Any {
                    return Err(CompileError::new(format!("a sign wants a number, not {of}")));
                }
                of
            }
            Node::Binary(Operator::Remainder, left, right)
                if matches!((&**left, &**right), (Node::Int(_), Node::Int(0))) =>
            {
                return Err(CompileError::new("division by zero"));
            }
            Node::Binary(operator, left, right) => {
                let (left, right) = (self.node(left)?, self.node(right)?);
                binary(*operator, &left, &right)?
            }
            Node::Matches(text, pattern, compiled) => {
                let (of, with) = (self.node(text)?, self.node(pattern)?);
                if let Node::Text(pattern) = &**pattern {
                    *compiled = Some(plugin::pattern::of_text(pattern).map_err(CompileError::new)?);
                }
                if !of.fits(&Type::Text) || !with.fits(&Type::Text) {
                    return Err(mismatched("matches", &of, &with));
                }
                Type::Bool
            }
            Node::Member { of, key, is_optional } => {
                let (of_type, key_type) = (self.node(of)?, self.node(key)?);
                member(&of_type, key, &key_type, *is_optional)?
            }
            Node::Chain(of) => self.node(of)?,
            Node::Slice { of, from, to } => {
                let of = self.node(of)?;
                for bound in [from, to].into_iter().flatten() {
                    let bound = self.node(bound)?;
                    if !bound.fits(&Type::Int) {
                        return Err(CompileError::new(format!(
                            "a slice is cut at ints, not {bound}"
                        )));
                    }
                }
                match of {
                    Type::Any | Type::Text | Type::List(_) => of,
                    of => return Err(CompileError::new(format!("{of} cannot be sliced"))),
                }
            }
            Node::Call(name, arguments) => {
                let types = self.nodes(arguments)?;
                let (function_idx, result) = self.function(name, &types)?;
                *node = Node::Host(function_idx, std::mem::take(arguments));
                result
            }
            Node::Builtin(builtin, arguments) => {
                let types = self.nodes(arguments)?;
                (builtin.check)(&types)
                    .map_err(|error| CompileError::new(format!("{}: {error}", builtin.name)))?
            }
            Node::Predicate(predicate, arguments) => predicate.check(arguments, self)?,
            Node::Let(name, value, rest) => {
                if self.environment.knows(name)
                    || super::is_reserved(name)
                    || self.locals.iter().any(|(known, _)| known == name)
                {
                    return Err(CompileError::new(format!("`{name}` is taken")));
                }
                let value = self.node(value)?;
                self.locals.push((name.clone(), value));
                let rest = self.node(rest);
                self.locals.pop();
                rest?
            }
            Node::Sequence(nodes) => self.nodes(nodes)?.pop().unwrap_or(Type::Any),
            Node::Conditional(condition, then, otherwise) => {
                let condition = self.node(condition)?;
                if !condition.fits(&Type::Bool) {
                    return Err(CompileError::new(format!(
                        "a condition is a bool, not {condition}"
                    )));
                }
                let then = match then {
                    Some(then) => self.node(then)?,
                    None => condition,
                };
                either(then, self.node(otherwise)?)
            }
        })
    }

    /// A condition about the elements of a list, with what `#name` stands for.
    pub(super) fn condition(
        &mut self,
        node: &mut Node,
        element: Type,
        mut names: Vec<(&'static str, Type)>,
    ) -> Checked {
        names.push(("", element));
        self.pointers.push(names);
        let condition = self.node(node);
        self.pointers.pop();
        condition
    }

    fn nodes(&mut self, nodes: &mut [Node]) -> Result<Vec<Type>, CompileError> {
        nodes.iter_mut().map(|node| self.node(node)).collect()
    }

    fn name(&self, name: &str) -> Result<(Node, Type), CompileError> {
        if let Some(local) = self.locals.iter().rposition(|(known, _)| known == name) {
            return Ok((Node::Local(local), self.locals[local].1.clone()));
        }
        let variables = &self.environment.variables;
        if let Some(variable) = variables.iter().rposition(|(known, _)| known == name) {
            return Ok((Node::Variable(variable), variables[variable].1.clone()));
        }
        Err(CompileError::new(if self.environment.knows(name) || super::is_reserved(name) {
            format!("`{name}` is a function: write `{name}()`")
        } else {
            format!("`{name}` is not known")
        }))
    }

    fn function(&mut self, name: &str, arguments: &[Type]) -> Result<(usize, Type), CompileError> {
        let functions = &self.environment.functions;
        let Some(function_idx) = functions.iter().position(|function| function.name == name) else {
            return Err(CompileError::new(if self.environment.knows(name) {
                format!("`{name}` is a variable: it cannot be called")
            } else {
                format!("there is no function `{name}`")
            }));
        };
        let function = &functions[function_idx];
        if arguments.len() != function.parameters.len() {
            return Err(CompileError::new(format!(
                "{name} takes {} arguments, not {}",
                function.parameters.len(),
                arguments.len()
            )));
        }
        for (argument, parameter) in arguments.iter().zip(function.parameters) {
            if !argument.fits(parameter) {
                return Err(CompileError::new(format!(
                    "{name} wants a {parameter}, not {argument}"
                )));
            }
        }
        self.is_pure &= !function.is_impure;
        Ok((function_idx, function.result.clone()))
    }

    fn pointer(&self, name: &str) -> Checked {
        let known = self.pointers.last().and_then(|names| names.iter().find(|(n, _)| *n == name));
        known
            .map(|(_, known)| known.clone())
            .ok_or_else(|| CompileError::new(format!("`#{name}` means nothing here")))
    }
}

fn binary(operator: Operator, left: &Type, right: &Type) -> Checked {
    let are_any = *left == Type::Any && *right == Type::Any;
    // Whether both are as wanted, as far as is known. Nil never is.
    let both = |is_wanted: &dyn Fn(&Type) -> bool| {
        are_any
            || is_wanted(left) && is_wanted(right)
            || *left == Type::Any && is_wanted(right)
            || *right == Type::Any && is_wanted(left)
    };
    let are_numbers = both(&Type::is_number);
    let are_texts = both(&|t| *t == Type::Text);
    let are_ints = both(&|t| *t == Type::Int);
    let number = match (left, right) {
        (Type::Any, _) | (_, Type::Any) => Type::Any,
        (Type::Int, Type::Int) => Type::Int,
        _ => Type::Float,
    };
    let result = match operator {
        Operator::Or | Operator::And => both(&|t| *t == Type::Bool).then_some(Type::Bool),
        Operator::Equal | Operator::Unequal => are_comparable(left, right).then_some(Type::Bool),
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
            (are_numbers || are_texts).then_some(Type::Bool)
        }
        Operator::In => match right {
            Type::List(of) => are_comparable(left, of).then_some(Type::Bool),
            Type::Map(_) => left.fits(&Type::Text).then_some(Type::Bool),
            Type::Any => Some(Type::Bool),
            Type::Text if *left == Type::Any => Some(Type::Bool),
            _ => None,
        },
        Operator::Matches | Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
            are_texts.then_some(Type::Bool)
        }
        Operator::Range => are_ints.then(|| Type::list(Type::Int)),
        Operator::Add if are_numbers || are_texts => Some(match number {
            Type::Float if *left == Type::Text => Type::Text,
            number => number,
        }),
        Operator::Add => None,
        Operator::Subtract | Operator::Multiply => are_numbers.then_some(number),
        Operator::Divide | Operator::Power => are_numbers.then_some(Type::Float),
        Operator::Remainder => are_ints.then_some(Type::Int),
        Operator::Coalesce => Some(match (left, right) {
            (Type::Nil, other) | (other, Type::Nil) => other.clone(),
            (left, right) if left == right => left.clone(),
            _ => Type::Any,
        }),
    };
    result.ok_or_else(|| mismatched(operator.sign(), left, right))
}

fn are_comparable(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (Type::Any | Type::Nil, _)
        | (_, Type::Any | Type::Nil)
        | (Type::List(_), Type::List(_))
        | (Type::Map(_), Type::Map(_)) => true,
        (left, right) => left == right || left.is_number() && right.is_number(),
    }
}

fn member(of: &Type, key: &Node, key_type: &Type, is_optional: bool) -> Checked {
    match of {
        Type::Any => Ok(Type::Any),
        Type::Nil if is_optional && !matches!(key, Node::Text(_)) => Ok(Type::Any),
        Type::Map(of) if key_type.fits(&Type::Text) => Ok((**of).clone()),
        Type::List(of) if key_type.fits(&Type::Int) => Ok((**of).clone()),
        of => Err(CompileError::new(match key {
            Node::Text(name) => format!("{of} has no field `{name}`"),
            _ => format!("{of} has no element of type {key_type}"),
        })),
    }
}

/// What is one of two types.
fn either(one: Type, other: Type) -> Type {
    match (one, other) {
        (Type::Nil, known) | (known, Type::Nil) => known,
        (one, other) if one == other => one,
        _ => Type::Any,
    }
}

fn mismatched(operator: &str, left: &Type, right: &Type) -> CompileError {
    CompileError::new(format!("`{operator}` does not go between {left} and {right}"))
}
