//! The little JSON that caveats are written in, read so that each document has one spelling: no blanks between values,
//! no escapes, numbers plain.

/// Reads a text from left to right; each method returns `None` where the text goes on otherwise.
pub struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Reader(text)
    }

    /// Whether everything is read.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes over this text, and returns whether it came next.
    pub fn passes(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Passes over this text.
    pub fn expect(&mut self, text: &str) -> Option<()> {
        self.passes(text).then_some(())
    }

    /// A whole number of at most 18 digits: without sign, leading zero, point or exponent.
    pub fn number(&mut self) -> Option<i64> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        if digits.is_empty() || digits.len() > 18 || digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }

    /// A string without quotation marks, backslashes and control characters.
    pub fn string(&mut self) -> Option<&'a str> {
        self.expect("\"")?;
        let (string, rest) = self.0.split_once('"')?;
        self.0 = rest;
        is_plain(string).then_some(string)
    }

    /// A list of strings, no two of them equal; it may be empty.
    pub fn strings(&mut self) -> Option<Vec<String>> {
        self.expect("[")?;
        let mut strings: Vec<String> = Vec::new();
        while !self.passes("]") {
            if !strings.is_empty() {
                self.expect(",")?;
            }
            let string = self.string()?;
            if strings.iter().any(|other| other == string) {
                return None;
            }
            strings.push(string.to_owned());
        }
        Some(strings)
    }
}

/// Whether a string can be written as it is.
pub fn is_plain(string: &str) -> bool {
    !string.contains(|character: char| matches!(character, '"' | '\\') || character.is_control())
}

/// Appends a list of strings, all of them plain.
pub fn push_strings(text: &mut String, strings: &[String]) {
    text.push('[');
    for (index, string) in strings.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_string(text, string);
    }
    text.push(']');
}

/// Appends a plain string.
pub fn push_string(text: &mut String, string: &str) {
    text.push('"');
    text.push_str(string);
    text.push('"');
}
