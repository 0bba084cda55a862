//! A template's tree, and how it is written back: the `template` label of the failure metrics.

use std::fmt;

use super::function::Function;
use super::value::Value;

/// A template, ready to be filled in.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(super) nodes: Vec<Node>,
    /// How many variables are alive at most, `$` included.
    pub(super) n_variables: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// `{{ pipeline }}`: printed, unless it declares a variable.
    Action(Pipeline),
    If(Branches),
    With(Branches),
    Range(Branches),
    Break,
    Continue,
}

/// A pipeline and what depends on it.
#[derive(Clone, Debug)]
pub(super) struct Branches {
    pub(super) pipeline: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) declared: Vec<Variable>,
    /// Whether the variables were there before: `=` instead of `:=`.
    pub(super) is_assignment: bool,
    /// At least one; each hands its value to the next as the last argument.
    pub(super) commands: Vec<Vec<Operand>>,
}

#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// With the `$`.
    pub(super) name: String,
    /// Which of the variables that are alive; 0 is `$`.
    pub(super) slot: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    Dot,
    Nil,
    /// As written, and its value.
    Literal(String, Value),
    /// `.A.B`
    Fields(Vec<String>),
    /// `$x.A.B`
    Variable(Variable, Vec<String>),
    Function(Function),
    /// `(pipeline)`
    Pipeline(Box<Pipeline>),
    /// `(pipeline).A.B`
    Chain(Box<Self>, Vec<String>),
}

impl Template {
    /// Calls `visit` with the fields of every chain, such as `["Group", "a"]`, and whether it is known to start from the
    /// root: inside `with` and `range` only chains from `$` are.
    pub(crate) fn visit_fields(&self, visit: &mut Visit<'_>) {
        visit_nodes(&self.nodes, true, visit);
    }
}

/// Takes the fields of a chain, and whether it starts from the root.
pub(crate) type Visit<'a> = dyn FnMut(&[String], bool) + 'a;

fn visit_nodes(nodes: &[Node], is_root: bool, visit: &mut Visit<'_>) {
    for node in nodes {
        let (branches, then_is_root) = match node {
            Node::Text(_) | Node::Break | Node::Continue => continue,
            Node::Action(pipeline) => {
                visit_pipeline(pipeline, is_root, visit);
                continue;
            }
            Node::If(branches) => (branches, is_root),
            Node::With(branches) | Node::Range(branches) => (branches, false),
        };
        visit_pipeline(&branches.pipeline, is_root, visit);
        visit_nodes(&branches.then, then_is_root, visit);
        visit_nodes(branches.otherwise.as_deref().unwrap_or_default(), is_root, visit);
    }
}

fn visit_pipeline(pipeline: &Pipeline, is_root: bool, visit: &mut Visit<'_>) {
    for operand in pipeline.commands.iter().flatten() {
        visit_operand(operand, is_root, visit);
    }
}

fn visit_operand(operand: &Operand, is_root: bool, visit: &mut Visit<'_>) {
    match operand {
        Operand::Fields(fields) => visit(fields, is_root),
        Operand::Variable(variable, fields) => visit(fields, variable.slot == 0),
        Operand::Pipeline(pipeline) => visit_pipeline(pipeline, is_root, visit),
        Operand::Chain(of, fields) => {
            visit_operand(of, is_root, visit);
            visit(fields, false);
        }
        Operand::Dot | Operand::Nil | Operand::Literal(..) | Operand::Function(_) => {}
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| write!(f, "{node}"))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, branches) = match self {
            Self::Text(text) => return f.write_str(text),
            Self::Action(pipeline) => return write!(f, "{{{{{pipeline}}}}}"),
            Self::Break => return f.write_str("{{break}}"),
            Self::Continue => return f.write_str("{{continue}}"),
            Self::If(branches) => ("if", branches),
            Self::With(branches) => ("with", branches),
            Self::Range(branches) => ("range", branches),
        };
        write!(f, "{{{{{word} {}}}}}", branches.pipeline)?;
        branches.then.iter().try_for_each(|node| write!(f, "{node}"))?;
        if let Some(otherwise) = &branches.otherwise {
            f.write_str("{{else}}")?;
            otherwise.iter().try_for_each(|node| write!(f, "{node}"))?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, variable) in self.declared.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, variable.name)?;
        }
        if !self.declared.is_empty() {
            f.write_str(if self.is_assignment { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            f.write_str(if i > 0 { " | " } else { "" })?;
            for (i, operand) in command.iter().enumerate() {
                write!(f, "{}{operand}", if i > 0 { " " } else { "" })?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = match self {
            Self::Dot => return f.write_str("."),
            Self::Nil => return f.write_str("nil"),
            Self::Literal(written, _) => return f.write_str(written),
            Self::Function(function) => return f.write_str(function.name()),
            Self::Pipeline(pipeline) => return write!(f, "({pipeline})"),
            Self::Fields(fields) => fields,
            Self::Variable(variable, fields) => {
                f.write_str(&variable.name)?;
                fields
            }
            Self::Chain(of, fields) => {
                write!(f, "{of}")?;
                fields
            }
        };
        fields.iter().try_for_each(|field| write!(f, ".{field}"))
    }
}
