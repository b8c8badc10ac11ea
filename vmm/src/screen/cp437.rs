//! Code page 437, the characters of the PC's own font, as Unicode.

/// Pictures in place of control characters.
const LOW: &str = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
const DELETE: char = '⌂';
/// From 0x80 on.
const HIGH: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

/// What the font shows for a code. Zero and 0xff are blank.
pub(crate) fn character(code: u8) -> char {
    let found = match code {
        0..0x20 => LOW.chars().nth(code.into()),
        0x20..0x7f => Some(code.into()),
        0x7f => Some(DELETE),
        0x80.. => HIGH.chars().nth(usize::from(code - 0x80)),
    };
    found.unwrap_or(' ')
}
