//! Text of a width that can be read, in Markdown.

/// The most characters of a line.
const WIDTH: usize = 98;

/// Paragraphs and lists, wrapped; the last line ends as well.
pub fn wrapped(text: &str) -> String {
    let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| filled(&words_of(paragraph), "", "")).collect();
    paragraphs.join("\n")
}

/// An item of a list.
pub fn item(text: &str) -> String {
    filled(&words_of(text), "- ", "  ")
}

/// As forges make it from a heading.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        // Code that begins in a word and does not end in it goes on in the next.
        match words.last_mut() {
            Some(last) if last.matches('`').count() % 2 == 1 && last.len() < WIDTH / 2 => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

fn filled(words: &[String], first: &str, others: &str) -> String {
    let mut text = first.to_owned();
    let mut width = first.len();
    let mut is_begun = false;
    for word in words {
        let length = word.chars().count();
        if is_begun && width + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(others);
            width = others.len();
        } else if is_begun {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
        is_begun = true;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_and_code_stays_whole() {
        let text = "word ".repeat(19) + "`code of three` end";
        let wrapped = wrapped(&text);
        let lines: Vec<&str> = wrapped.lines().collect();
        assert_eq!(lines, ["word ".repeat(19).trim_end(), "`code of three` end"]);
    }

    #[test]
    fn an_item_is_indented_below_its_dash() {
        let lines = item(&"word ".repeat(20));
        assert_eq!(lines, format!("- {}\n  word\n", "word ".repeat(19).trim_end()));
    }

    #[test]
    fn paragraphs_stay_apart() {
        assert_eq!(wrapped("one\nline\n\ntwo"), "one line\n\ntwo\n");
    }
}
