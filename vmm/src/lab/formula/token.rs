//! [`Tokens`]: a formula as words and signs.

use super::FormulaError;

/// A word or a sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Number(f64),
    /// Letters, digits, `_`, and `-` within.
    Name(&'a str),
    /// Between single quotes.
    Text(&'a str),
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 13] = [
    "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "(", ")", ",", ".",
];
const PERCENT: &str = "%";

/// Tokens that are taken one after another.
pub(super) struct Tokens<'a> {
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, FormulaError> {
        let (mut tokens, mut at) = (Vec::new(), 0);
        loop {
            at += text[at..].len() - text[at..].trim_start().len();
            let (token, len) = first(&text[at..]).map_err(|what| FormulaError { at, what })?;
            tokens.push((at, token));
            if token == Token::End {
                return Ok(Self { tokens, next: 0 });
            }
            at += len;
        }
    }

    /// The next one, and where it is.
    pub(super) fn peek(&self) -> (usize, Token<'a>) {
        let last = self.tokens.len() - 1;
        self.tokens[self.next.min(last)]
    }

    pub(super) fn take(&mut self) -> (usize, Token<'a>) {
        let token = self.peek();
        self.next += 1;
        token
    }

    /// Takes that sign, if it is next.
    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        self.take_if(Token::Sign(sign_named(sign)))
    }

    /// Takes that word, if it is next.
    pub(super) fn take_name(&mut self, name: &str) -> bool {
        matches!(self.peek().1, Token::Name(other) if other == name) && {
            self.next += 1;
            true
        }
    }

    /// Whether that word comes after the next token.
    pub(super) fn second_is(&self, name: &str) -> bool {
        let second = self.tokens.get(self.next + 1);
        second.is_some_and(|(_, token)| *token == Token::Name(name))
    }

    fn take_if(&mut self, token: Token<'_>) -> bool {
        let is_next = self.peek().1 == token;
        self.next += usize::from(is_next);
        is_next
    }

    /// An error where the next token is: `expected` should be there.
    pub(super) fn expected(&self, expected: &str) -> FormulaError {
        let (at, token) = self.peek();
        let found = match token {
            Token::Number(number) => format!("{number}"),
            Token::Name(name) => format!("{name:?}"),
            Token::Text(text) => format!("'{text}'"),
            Token::Sign(sign) => format!("\"{sign}\""),
            Token::End => "the end".to_owned(),
        };
        FormulaError {
            at,
            what: format!("found {found}, expected {expected}"),
        }
    }

    /// Nothing must follow.
    pub(super) fn end(&self, expected: &str) -> Result<(), FormulaError> {
        match self.peek().1 {
            Token::End => Ok(()),
            _ => Err(self.expected(expected)),
        }
    }
}

fn sign_named(text: &str) -> &'static str {
    let known = SIGNS.into_iter().chain([PERCENT]);
    known.into_iter().find(|sign| *sign == text).unwrap_or("")
}

/// The first token of a text without spaces before it, and its length.
fn first(text: &str) -> Result<(Token<'_>, usize), String> {
    let Some(letter) = text.chars().next() else {
        return Ok((Token::End, 0));
    };
    if letter.is_ascii_digit() {
        return number(text);
    }
    if letter.is_ascii_alphabetic() || letter == '_' {
        let len = name_len(text.as_bytes());
        return Ok((Token::Name(&text[..len]), len));
    }
    if letter == '\'' {
        let end = text[1..]
            .find('\'')
            .ok_or("the text has no end: expected '")?;
        return Ok((Token::Text(&text[1..=end]), end + 2));
    }
    let mut signs = SIGNS.into_iter().chain([PERCENT]);
    match signs.find(|sign| text.starts_with(*sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => Err(format!(
            "found {letter:?}, expected a number, a name or a sign"
        )),
    }
}

/// A minus is part of a name if it stands between letters or digits.
fn name_len(text: &[u8]) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut len = 0;
    while let Some(byte) = text.get(len) {
        let joins = *byte == b'-' && text.get(len + 1).is_some_and(is_word);
        if !is_word(byte) && !joins {
            break;
        }
        len += 1;
    }
    len
}

fn number(text: &str) -> Result<(Token<'_>, usize), String> {
    let bytes = text.as_bytes();
    let is_part = |at: usize| {
        let sign_of_exponent = matches!(bytes[at], b'+' | b'-') && bytes[at - 1] == b'e';
        bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.' || sign_of_exponent
    };
    let len = (0..bytes.len()).find(|at| !is_part(*at));
    let len = len.unwrap_or(bytes.len());
    let number = text[..len].parse();
    let number = number.map_err(|_| format!("found {:?}, expected a number", &text[..len]))?;
    Ok((Token::Number(number), len))
}
