//! The blocks of code in a document.

/// A block between two lines of backticks.
#[derive(Debug)]
pub struct Block {
    /// What its first line names.
    pub language: String,
    /// What stands between its first line and its last.
    pub code: String,
    /// The number of its first line, from 1.
    pub line: usize,
    /// Whether nothing but blank lines lies between it and the block before.
    pub follows: bool,
}

/// All blocks, in order.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    let mut follows = false;
    for (number, line) in text.lines().enumerate() {
        let line_number = number + 1;
        assert!(line.starts_with("```") || !line.contains("```"), "line {line_number}: a block that is indented");
        match (line.strip_prefix("```"), open.take()) {
            (None, None) => follows &= line.trim().is_empty(),
            (None, Some(block)) => open = Some(Block { code: block.code + line + "\n", ..block }),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), code: String::new(), line: line_number, follows });
            }
            (Some(rest), Some(block)) => {
                assert_eq!(rest, "", "line {line_number}: a block within a block");
                blocks.push(block);
                follows = true;
            }
        }
    }
    assert!(open.is_none(), "a block does not end");
    blocks
}

/// The text without blocks and without code within lines.
#[must_use]
pub fn prose(text: &str) -> String {
    let mut outside = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            outside += line;
        }
        outside.push('\n');
    }
    // Code does not reach beyond its paragraph.
    let without_code = |paragraph: &str| paragraph.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    outside.split("\n\n").map(without_code).collect::<Vec<_>>().join("\n\n")
}
