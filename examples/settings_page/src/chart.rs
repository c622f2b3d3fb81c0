//! A bar chart as SVG, made here so that it needs no script.

/// A day of use.
pub struct Day {
    /// As `YYYY-MM-DD`.
    pub date: String,
    pub accepted: i64,
    pub denied: i64,
}

/// A day in the chart: a bar of what was accepted, and on top of it one of what was denied.
pub struct Bar {
    pub x: u32,
    pub accepted_y: u32,
    pub accepted_height: u32,
    pub denied_y: u32,
    pub denied_height: u32,
}

/// Bars whose tallest has the height of the chart.
pub struct Chart {
    pub days: Vec<Day>,
    pub bars: Vec<Bar>,
    /// The number that the top of the chart stands for.
    pub most: i64,
}

/// Sizes in the units of the template's view box.
const HEIGHT: u32 = 100;
const STEP: u32 = 28;

impl Chart {
    pub fn new(days: Vec<Day>) -> Self {
        let most = days.iter().map(|day| day.accepted.saturating_add(day.denied)).max().unwrap_or(0);
        let bars = days.iter().zip((0..).step_by(STEP as usize)).map(|(day, x)| Bar::new(day, x, most)).collect();
        Self { days, bars, most }
    }

    pub fn accepted(&self) -> i64 {
        self.days.iter().map(|day| day.accepted).sum()
    }

    pub fn denied(&self) -> i64 {
        self.days.iter().map(|day| day.denied).sum()
    }

    pub fn first(&self) -> &str {
        self.days.first().map_or("", |day| &day.date)
    }

    pub fn last(&self) -> &str {
        self.days.last().map_or("", |day| &day.date)
    }
}

impl Bar {
    fn new(day: &Day, x: u32, most: i64) -> Self {
        let accepted_height = height(day.accepted, most);
        let denied_height = height(day.denied, most).min(HEIGHT - accepted_height);
        let accepted_y = HEIGHT - accepted_height;
        Self { x, accepted_y, accepted_height, denied_y: accepted_y - denied_height, denied_height }
    }
}

/// The height of a bar; what has happened at all can be seen.
fn height(count: i64, most: i64) -> u32 {
    if count <= 0 || most <= 0 {
        return 0;
    }
    let exact = i128::from(count) * i128::from(HEIGHT) / i128::from(most);
    u32::try_from(exact).unwrap_or(HEIGHT).clamp(1, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::{Chart, Day, HEIGHT};

    fn chart(counts: &[(i64, i64)]) -> Chart {
        Chart::new(
            counts.iter().map(|&(accepted, denied)| Day { date: "2026-01-01".into(), accepted, denied }).collect(),
        )
    }

    #[test]
    fn the_busiest_day_is_as_high_as_the_chart_and_a_single_use_can_be_seen() {
        let chart = chart(&[(0, 0), (1, 0), (900, 100), (0, 1)]);
        let heights: Vec<_> = chart.bars.iter().map(|bar| (bar.accepted_height, bar.denied_height)).collect();
        assert_eq!(heights, [(0, 0), (1, 0), (90, 10), (0, 1)]);
        assert_eq!((chart.most, chart.accepted(), chart.denied()), (1000, 901, 101));
    }

    #[test]
    fn no_bar_leaves_the_chart_whatever_was_counted() {
        for counts in
            [vec![], vec![(0, 0)], vec![(i64::MAX, i64::MAX)], vec![(999_999, 1), (1, 999_999)], vec![(-1, -1)]]
        {
            for bar in chart(&counts).bars {
                assert!(bar.accepted_y + bar.accepted_height == HEIGHT && bar.denied_y + bar.denied_height <= HEIGHT);
            }
        }
    }
}
