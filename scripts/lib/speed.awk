# Draws what bench/RESULTS.md says of verification and of what one would write by hand (SVG): calls per second of eight
# clients, and how many that is of verify's, in two groups, of which each has a scale of its own. It chooses rows of the
# two tables by their first column, and fails where one is not there; the numbers, the date and the machine are theirs.

BEGIN {
    FS = " *[|] *"
    left = 290; longest = 330; width = 780; bar = 20; step = 26
    colour["base"] = "#bbb"; colour["ours"] = "#0072b2"; colour["hand"] = "#e69f00"

    group("## Statements of an application", "A token that the session has seen before, as a parameter ($1)", "`SELECT * FROM verify($1)`")
    row("base", "`SELECT 1`", "SELECT 1")
    row("ours", "`SELECT authenticate($1)`", "SELECT authenticate($1)")
    row("ours", "`SELECT * FROM verify($1)`", "SELECT * FROM verify($1)")
    row("hand", "by hand in SQL, merged into the query", "by hand, merged into the query")
    row("hand", "by hand in PL/pgSQL", "by hand, in PL/pgSQL")
    row("hand", "by hand in SQL, a function that is called", "by hand, a function in SQL")
    row("hand", "by hand with UPDATE of last_used_at", "by hand, with last_used_at")
    row("hand", "by hand with bcrypt of cost 8", "by hand, with bcrypt of cost 8")

    group("## Tables of tokens", "A random one of them all, which its statement reads from a table", "`verify`, random tokens")
    row("base", "only reading the token that is to be presented", "only reading the token")
    row("ours", "`verify`, random tokens", "verify")
    row("hand", "by hand in SQL, merged into the query, random tokens", "by hand, merged into the query")
    row("hand", "the same joined with the user, random tokens", "the same, joined with the user")
    row("hand", "by hand in PL/pgSQL, random tokens", "by hand, in PL/pgSQL")
    row("hand", "by hand in SQL, a function that is called, random tokens", "by hand, a function in SQL")
    row("hand", "by hand with UPDATE of last_used_at, random tokens", "by hand, with last_used_at")
}

function group(section, words, unit) {
    heading[++groups] = words
    number_of[section] = groups
    of[groups] = unit
}
function row(whose, key, words) {
    rows++
    in_group[rows] = groups; owner[rows] = whose; wanted[rows] = key; label[rows] = words
    place[groups, key] = rows
}
function escaped(words) {
    gsub(/&/, "\\&amp;", words)
    gsub(/</, "\\&lt;", words)
    return words
}
function text(x, y, style, words) {
    printf "<text x=\"%.0f\" y=\"%.0f\"%s>%s</text>\n", x, y, style, escaped(words)
}
# 12345 as 12,345.
function with_commas(value,    digits) {
    digits = sprintf("%d", value)
    while (match(digits, /[0-9][0-9][0-9][0-9]($|,)/)) digits = substr(digits, 1, RSTART) "," substr(digits, RSTART + 1)
    return digits
}
function fail(words) {
    print FILENAME ": " words > "/dev/stderr"
    failed = 1
    exit 1
}

# The line below the title says when and on what, the next one among how many tokens.
NR == 3 { measured = $0 }
NR == 4 { tokens = $0 + 0 }
/^## / { section = number_of[$0] }
# The table of calls per second, and none of those below it, whose rows have the same names.
$3 == "calls/s, 1 client" { column = $5 == "calls/s, 8 clients" ? 5 : 0 }
/^$/ { column = 0 }
section && column && ((section, $2) in place) { calls[place[section, $2]] = $column }

END {
    if (failed) exit 1
    if (!match(measured, /^[0-9-]+, tokenauth [^,]*, PostgreSQL [0-9.]+/)) fail("its third line does not begin with a date and versions")
    when = substr(measured, 1, RLENGTH)
    if (!match(measured, /[0-9]+ cores, [0-9]+ GB of memory/)) fail("its third line does not say on how many cores")
    machine = substr(measured, RSTART, RLENGTH)
    if (tokens <= 0) fail("its fourth line does not begin with the number of tokens")
    for (r = 1; r <= rows; r++) {
        if (calls[r] + 0 <= 0) fail("there is no row \"" wanted[r] "\" with its calls per second")
        if (calls[r] + 0 > most[in_group[r]]) most[in_group[r]] = calls[r]
    }

    height = 24 + groups * 44 + rows * step + 50
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" ", width, height, width
    print "font-family=\"sans-serif\" font-size=\"13\">"
    print "<title>Verification beside what one would write by hand, in calls per second of eight clients</title>"
    print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    y = 24
    text(14, y, " font-weight=\"bold\"", "Calls per second of eight clients (in brackets: of verify's)")
    for (r = 1; r <= rows; r++) {
        g = in_group[r]
        if (g != in_group[r - 1]) {
            y += 34
            text(14, y, " fill=\"#333\"", heading[g])
            y += 10
        }
        size = calls[r] / most[g] * longest
        share = calls[r] / calls[place[g, of[g]]]
        text(left - 10, y + 15, " text-anchor=\"end\"" (owner[r] == "ours" ? " font-weight=\"bold\"" : ""), label[r])
        printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", left, y, size < 1 ? 1 : size, bar, colour[owner[r]]
        text(left + size + 8, y + 15, " fill=\"#333\"", with_commas(calls[r]) " (" sprintf(share < 0.01 ? "%.4f" : "%.2f", share) ")")
        y += step
    }
    y += 22
    text(14, y, " fill=\"#555\" font-size=\"12\"", when ", " with_commas(tokens) " tokens; " machine ", clients included.")
    text(14, y + 17, " fill=\"#555\" font-size=\"12\"", "Medians of one run, in turns: compare ratios, and these numbers with no others. All of it: bench/RESULTS.md.")
    print "</svg>"
}
