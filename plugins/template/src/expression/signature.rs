//! What the arguments of functions must be, as far as is known, and what the result is then.

use super::value::Type;

/// The type of a result, or why the arguments do not fit.
pub(super) type Checked = Result<Type, String>;

/// One argument that is as wanted.
pub(super) fn one(types: &[Type], is_wanted: fn(&Type) -> bool, result: Type) -> Checked {
    match types {
        [only] if is_wanted(only) => Ok(result),
        [only] => Err(format!("{only} does not fit")),
        _ => Err(format!("{} arguments do not fit", types.len())),
    }
}

/// So many texts.
pub(super) fn texts(
    types: &[Type],
    n_wanted: std::ops::RangeInclusive<usize>,
    result: Type,
) -> Checked {
    all(types, n_wanted, &Type::Text, result)
}

/// So many whole numbers.
pub(super) fn ints(
    types: &[Type],
    n_wanted: std::ops::RangeInclusive<usize>,
    result: Type,
) -> Checked {
    all(types, n_wanted, &Type::Int, result)
}

fn all(
    types: &[Type],
    n_wanted: std::ops::RangeInclusive<usize>,
    wanted: &Type,
    result: Type,
) -> Checked {
    if !n_wanted.contains(&types.len()) {
        return Err("the number of arguments does not fit".to_owned());
    }
    match types.iter().find(|known| !known.fits(wanted)) {
        None => Ok(result),
        Some(other) => Err(format!("a {wanted} is wanted, not {other}")),
    }
}

/// A text, a separator and perhaps how many parts there are at most.
pub(super) fn splits(types: &[Type]) -> Checked {
    texts(types.get(..2).unwrap_or(types), 2..=2, Type::Text)?;
    ints(types.get(2..).unwrap_or_default(), 0..=1, Type::list(Type::Text))
}

/// Numbers, or lists of some.
pub(super) fn aggregate(types: &[Type]) -> Checked {
    match types {
        [] => Err("at least one argument is wanted".to_owned()),
        types if types.iter().all(Type::is_number) => Ok(types[0].clone()),
        types if types.iter().all(|known| is_number(known) || is_list(known)) => Ok(Type::Any),
        _ => Err("numbers are wanted".to_owned()),
    }
}

/// Something with elements, and a key.
pub(super) fn get_type(types: &[Type]) -> Checked {
    match types {
        [Type::Any, _] => Ok(Type::Any),
        [Type::List(of), key] if key.fits(&Type::Int) => Ok((**of).clone()),
        [Type::Map(of), key] if key.fits(&Type::Text) => Ok((**of).clone()),
        [of, key] => Err(format!("{of} has no element of type {key}")),
        _ => Err("two arguments are wanted".to_owned()),
    }
}

/// The type of a list's elements.
pub(super) fn element(types: &[Type]) -> Type {
    match types {
        [Type::List(of), ..] => (**of).clone(),
        _ => Type::Any,
    }
}

pub(super) fn is_number(known: &Type) -> bool {
    known.is_number() || *known == Type::Any
}

pub(super) fn is_number_or_text(known: &Type) -> bool {
    is_number(known) || *known == Type::Text
}

pub(super) fn is_list(known: &Type) -> bool {
    matches!(known, Type::List(_) | Type::Any)
}

pub(super) fn is_list_of_texts(known: &Type) -> bool {
    match known {
        Type::List(of) => of.fits(&Type::Text),
        known => *known == Type::Any,
    }
}

pub(super) fn is_map(known: &Type) -> bool {
    matches!(known, Type::Map(_) | Type::Any)
}

pub(super) fn has_length(known: &Type) -> bool {
    matches!(known, Type::Any | Type::Text | Type::List(_) | Type::Map(_))
}
