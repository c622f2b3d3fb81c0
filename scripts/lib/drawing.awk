# Draws boxes and the arrows between them (SVG), as docs/images/topologies.txt describes. Each picture goes into a file of
# its own, "topology-NAME.svg" in the directory "into". Replication is drawn thicker and in another colour, and its
# arrows say what they carry.

BEGIN {
    box_width = 176; box_height = 56; column_width = 250; row_height = 124; margin = 14
    colour["->"] = "#555"; colour["=>"] = "#0072b2"
}

function escaped(words) {
    gsub(/&/, "\\&amp;", words)
    gsub(/</, "\\&lt;", words)
    return words
}
function across(box) { return margin + box_width / 2 + (column[box] - 1) * column_width }
function down(box) { return margin + box_height / 2 + (row[box] - 1) * row_height }
function magnitude(value) { return value < 0 ? -value : value }
function text(x, y, style, words) {
    printf "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\"%s>%s</text>\n", x, y, style, escaped(words) > file
}

# From edge to edge of the boxes, so that the arrow's head is seen.
function draw_arrow(from, how, to, words,    x1, y1, x2, y2, part) {
    x1 = across(from); y1 = down(from); x2 = across(to); y2 = down(to)
    part = 1
    if (x2 != x1) part = (box_width / 2 + 4) / magnitude(x2 - x1)
    if (y2 != y1 && (box_height / 2 + 4) / magnitude(y2 - y1) < part) part = (box_height / 2 + 4) / magnitude(y2 - y1)
    printf "<line x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\" stroke=\"%s\" stroke-width=\"%s\" marker-end=\"url(#%s)\"/>\n",
        x1 + part * (x2 - x1), y1 + part * (y2 - y1), x2 - part * (x2 - x1), y2 - part * (y2 - y1),
        colour[how], how == "=>" ? 3 : 1.5, how == "=>" ? "replicates" : "asks" > file
    text((x1 + x2) / 2, (y1 + y2) / 2 + (y1 == y2 ? -8 : 4),
        " fill=\"" colour[how] "\" stroke=\"#fff\" stroke-width=\"5\" paint-order=\"stroke\"", words)
}

function draw_box(box,    lines, count, n) {
    printf "<rect x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"#f4f6f8\" stroke=\"#555\"/>\n",
        across(box) - box_width / 2, down(box) - box_height / 2, box_width, box_height > file
    count = split(label[box], lines, "|")
    for (n = 1; n <= count; n++)
        text(across(box), down(box) + 5 + (n - (count + 1) / 2) * 19, n == 1 ? " font-weight=\"bold\"" : "", lines[n])
}

function finish(    n, width, height) {
    if (!file) return
    for (n = 1; n <= boxes; n++) {
        if (column[order[n]] > width) width = column[order[n]]
        if (row[order[n]] > height) height = row[order[n]]
    }
    width = 2 * margin + box_width + (width - 1) * column_width
    height = 2 * margin + box_height + (height - 1) * row_height
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" ", width, height, width > file
    print "font-family=\"sans-serif\" font-size=\"14\">" > file
    printf "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", escaped(title) > file
    draw_head("asks", colour["->"])
    draw_head("replicates", colour["=>"])
    for (n = 1; n <= arrows; n++) draw_arrow(from[n], kind[n], to[n], carried[n])
    for (n = 1; n <= boxes; n++) draw_box(order[n])
    print "</svg>" > file
    close(file)
    boxes = arrows = 0
}

function draw_head(id, fill) {
    printf "<marker id=\"%s\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"12\" markerHeight=\"12\" ", id > file
    printf "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"%s\"/></marker>\n", fill > file
}

# The line from this word on.
function rest(word,    words, n) {
    words = $0
    for (n = 1; n < word; n++) sub(/^[^ ]+ */, "", words)
    return words
}

/^#/ || /^$/ { next }
$1 == "picture" {
    finish()
    file = into "/topology-" substr($2, 1, length($2) - 1) ".svg"
    title = rest(3)
    next
}
$1 == "box" {
    order[++boxes] = $2
    column[$2] = $3; row[$2] = $4; label[$2] = rest(5)
    next
}
$2 == "->" || $2 == "=>" {
    from[++arrows] = $1; kind[arrows] = $2; to[arrows] = $3; carried[arrows] = rest(4)
    next
}
{ printf "%s:%d: neither a picture, a box nor an arrow\n", FILENAME, FNR > "/dev/stderr"; exit 1 }
END { finish() }
