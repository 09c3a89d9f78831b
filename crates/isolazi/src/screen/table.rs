//! Tables whose columns are as wide as their content, in the layout of Docker's lists (Go's text/tabwriter with
//! minimal width 10 and padding 3), because scripts cut these columns.

/// A column is at least this wide, padding included.
const MIN_WIDTH: usize = 10;
/// Spaces between the widest cell and the next column.
const PADDING: usize = 3;

/// Lines of tab-separated cells become aligned lines. The last cell of a line is neither padded nor counted.
pub(crate) fn align(lines: &[String]) -> String {
    align_from(lines, MIN_WIDTH)
}

/// The same with columns that are at least so wide.
pub(crate) fn align_from(lines: &[String], min_width: usize) -> String {
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    let columns = rows.iter().map(|row| row.len() - 1).max().unwrap_or(0);
    let mut widths = vec![min_width; columns];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row[..row.len() - 1]) {
            *width = (*width).max(cell.chars().count() + PADDING);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let (last, padded) = row.split_last().expect("splitting gives at least one cell");
        for (cell, &width) in padded.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        text.push_str(last);
        text.push('\n');
    }
    text
}

/// A cell that holds at most `columns` characters, its end replaced by `…` when it was longer.
pub(crate) fn ellipsis(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_room_and_the_last_one_ends_where_it_ends() {
        let lines = ["CONTAINER ID\tIMAGE\tNAMES", "0123456789ab\tlocalhost:5000/x\twéb", "ab\té\tc"];
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(
            align(&lines),
            "CONTAINER ID   IMAGE              NAMES\n\
             0123456789ab   localhost:5000/x   wéb\n\
             ab             é                  c\n"
        );
        assert_eq!(align(&["A\tB".to_owned()]), "A         B\n");
        assert_eq!(align(&[]), "");
    }

    #[test]
    fn long_cells_are_cut_by_characters() {
        assert_eq!(ellipsis("\"0123456789012345678\"", 20), "\"012345678901234567…");
        assert_eq!(ellipsis("é", 1), "é");
    }
}
