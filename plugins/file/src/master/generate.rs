//! `$GENERATE range record`: one record for each number of a range, as BIND has it.

use super::lexer::{Line, Text, Token};
use super::{At, Mistake};

/// The lines of one `$GENERATE` that are still to come.
pub(super) struct Generate {
    line: usize,
    next: Option<i64>,
    stop: i64,
    step: i64,
    template: Vec<Piece>,
}

enum Piece {
    Text(Vec<u8>),
    Number { offset: i64, width: usize, base: Base },
}

#[derive(Clone, Copy)]
enum Base {
    Decimal,
    Octal,
    Hex,
    UpperHex,
}

impl Generate {
    /// `range` is `START-STOP[/STEP]`; in the record `$` and `${OFFSET[,WIDTH[,BASE]]}` stand for the number.
    pub(super) fn new(line: usize, range: &Token, record: &[Token]) -> Result<Self, Mistake> {
        let (start, stop, step) = parse_range(&range.text)
            .ok_or_else(|| Mistake::expected("a range such as `1-254/2`", range))?;
        let template =
            parse_template(&record.iter().flat_map(Token::written).collect::<Vec<u8>>())?;
        for piece in &template {
            if let Piece::Number { offset, .. } = piece {
                let is_within = |number: i64| {
                    number
                        .checked_add(*offset)
                        .is_some_and(|n| (0..=i64::from(i32::MAX)).contains(&n))
                };
                if !is_within(start) || !is_within(stop) {
                    return Err(Mistake::Directive("the offset leads out of the range of numbers"));
                }
            }
        }
        Ok(Self { line, next: Some(start), stop, step, template })
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn next_line(&mut self) -> At<Option<Line>> {
        let Some(number) = self.next else { return Ok(None) };
        self.next = number.checked_add(self.step).filter(|next| *next <= self.stop);
        let mut text = Vec::new();
        for piece in &self.template {
            match piece {
                Piece::Text(octets) => text.extend(octets),
                Piece::Number { offset, width, base } => {
                    let n = number + offset;
                    text.extend(
                        match base {
                            Base::Decimal => format!("{n:0width$}"),
                            Base::Octal => format!("{n:0width$o}"),
                            Base::Hex => format!("{n:0width$x}"),
                            Base::UpperHex => format!("{n:0width$X}"),
                        }
                        .bytes(),
                    );
                }
            }
        }
        // The words come with a blank before each, and the first is the owner.
        let text = text.strip_prefix(b" ").unwrap_or(&text).to_vec();
        let line = Text::new(text).next_line().map_err(|(_, mistake)| (self.line, mistake))?;
        Ok(line.map(|mut line| {
            line.number = self.line;
            line.tokens.iter_mut().for_each(|token| token.line = self.line);
            line
        }))
    }
}

fn parse_range(text: &[u8]) -> Option<(i64, i64, i64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (range, step) = text.split_once('/').unwrap_or((text, "1"));
    let (start, stop) = range.split_once('-')?;
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let (start, stop, step) = (number(start)?, number(stop)?, number(step)?);
    let is_sound = step > 0 && start <= stop && (stop - start) / step < MOST_RECORDS;
    is_sound.then_some((start, stop, step))
}

fn parse_template(text: &[u8]) -> Result<Vec<Piece>, Mistake> {
    let mut pieces = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => break,
            [b'\\' | b'$', b'$', rest @ ..] => {
                plain.push(b'$');
                rest
            }
            [b'\\', octet, rest @ ..] => {
                plain.extend([b'\\', *octet]);
                rest
            }
            [b'$', rest @ ..] => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                let (piece, rest) = parse_number(rest)?;
                pieces.push(piece);
                rest
            }
            [octet, rest @ ..] => {
                plain.push(*octet);
                rest
            }
        };
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// What follows a `$`.
fn parse_number(text: &[u8]) -> Result<(Piece, &[u8]), Mistake> {
    let [b'{', text @ ..] = text else {
        return Ok((Piece::Number { offset: 0, width: 0, base: Base::Decimal }, text));
    };
    let wrong =
        || Mistake::Directive("`$GENERATE` wants `${OFFSET,WIDTH,BASE}` with base d, o, x or X");
    let end = text.iter().position(|octet| *octet == b'}').ok_or_else(wrong)?;
    let modifier = std::str::from_utf8(&text[..end]).map_err(|_| wrong())?;
    let mut fields = modifier.split(',');
    let offset = fields.next().unwrap_or_default().parse().map_err(|_| wrong())?;
    let width: u8 = fields.next().unwrap_or("0").parse().map_err(|_| wrong())?;
    let base = match fields.next().unwrap_or("d") {
        "d" => Base::Decimal,
        "o" => Base::Octal,
        "x" => Base::Hex,
        "X" => Base::UpperHex,
        _ => return Err(wrong()),
    };
    match fields.next() {
        Some(_) => Err(wrong()),
        None => Ok((Piece::Number { offset, width: width.into(), base }, &text[end + 1..])),
    }
}

/// The most records of one `$GENERATE`.
const MOST_RECORDS: i64 = 65_536;
