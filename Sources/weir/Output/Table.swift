/// A table for people: columns as wide as their content, the last one cut at the terminal's edge.
struct Table {
    private let headings: [String]
    private var rows: [[String]] = []
    private let rightAligned: Set<Int>

    /// - Parameter numeric: the columns that are numbers, from 0, and stand at the right.
    init(_ headings: [String], numeric: Set<Int> = []) {
        self.headings = headings
        rightAligned = numeric
    }

    var isEmpty: Bool { rows.isEmpty }

    mutating func add(_ cells: [String]) {
        rows.append(cells.map { cell in String(cell.map { $0.isNewline || $0 == "\t" ? " " : $0 }) })
    }

    func text(_ terminal: Terminal) -> String {
        var widths = headings.map(\.count)
        for row in rows {
            for (column, cell) in row.enumerated() where column < widths.count {
                widths[column] = max(widths[column], cell.count)
            }
        }
        func line(_ cells: [String], _ paint: (Int, String) -> String) -> String {
            var out = ""
            var used = 0
            for (column, cell) in cells.enumerated() {
                var cell = cell
                let isLast = column == cells.count - 1
                if isLast, let width = terminal.width, used + cell.count > width, width > used + 1 {
                    cell = String(cell.prefix(width - used - 1)) + "…"
                }
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                let painted = paint(column, cell)
                if rightAligned.contains(column) {
                    out += padding + painted
                } else {
                    out += isLast ? painted : painted + padding
                }
                if !isLast { out += "  " }
                used += widths[column] + 2
            }
            return out + "\n"
        }
        var out = line(headings) { terminal.paint($1, .bold) }
        for row in rows { out += line(row) { terminal.state($1) } }
        return out
    }
}
