//! SQL made of our own text and of pieces that are bytes: expressions, names and queries in the server encoding.

/// Puts the pieces into the holes of a template, which it names as `{hole}`. What is put in is not searched for holes.
///
/// # Panics
/// When the template names a hole that is not among them, or leaves one open: templates are constants of ours.
pub fn filled(template: &str, pieces: &[(&str, &[u8])]) -> Vec<u8> {
    let mut sql = Vec::with_capacity(template.len() + pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>());
    let mut parts = template.split('{');
    sql.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (hole, text) = part.split_once('}').unwrap_or_else(|| panic!("open hole in {template}"));
        let piece = pieces.iter().find(|(name, _)| *name == hole).unwrap_or_else(|| panic!("no piece for {hole}"));
        sql.extend_from_slice(piece.1);
        sql.extend_from_slice(text.as_bytes());
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn each_hole_gets_its_piece_as_it_is() {
        let sql = filled("SELECT {a}, {b}, {a} FROM t", &[("b", b"'{a}'"), ("a", b"\xe9 {")]);
        assert_eq!(sql, b"SELECT \xe9 {, '{a}', \xe9 { FROM t");
    }

    #[test]
    #[should_panic(expected = "no piece for c")]
    fn a_hole_without_a_piece_is_a_mistake_of_ours() {
        filled("SELECT {c}", &[("a", b"1")]);
    }
}
