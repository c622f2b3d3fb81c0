# Draws lines of "label <tab> ours or hand <tab> tokens <tab> microseconds" as a picture (SVG), both axes by powers of ten.
# What is written by hand is dashed. Colours are told apart by those who see few, and by the labels at the lines' ends.

BEGIN {
    FS = "\t"
    left = 70; top = 40; width = 420; height = 380; labels = 300
    split("#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #000000", palette, " ")
}

function log10(value) { return log(value) / log(10) }
function floor(value) { return int(value) - (value < int(value)) }
function across(value) { return left + width * (log10(value) - x_least) / (x_most - x_least) }
function down(value) { return top + height * (1 - (log10(value) - y_least) / (y_most - y_least)) }
function text(at_x, at_y, anchor, colour, words) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", at_x, at_y, anchor, colour, words
}
function line(x1, y1, x2, y2) {
    printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", x1, y1, x2, y2
}
# The name of a power of ten of tokens, and of microseconds.
function tokens_name(power) {
    return power < 3 ? 10 ^ power : power < 6 ? 10 ^ (power - 3) " thousand" : 10 ^ (power - 6) " million"
}
function cost_name(power) {
    return power < 3 ? 10 ^ power " µs" : power < 6 ? 10 ^ (power - 3) " ms" : 10 ^ (power - 6) " s"
}

$4 + 0 > 0 {
    if (!($1 in series)) { series[$1] = ++count; name[count] = $1; whose[count] = $2 }
    n = series[$1]
    points = ++points_of[n]
    tokens[n, points] = $3
    cost[n, points] = $4
    if (x_most == "" || log10($3) < x_least) x_least = log10($3)
    if (x_most == "" || log10($3) > x_most) x_most = log10($3)
    if (y_most == "" || floor(log10($4)) < y_least) y_least = floor(log10($4))
    if (y_most == "" || floor(log10($4)) + 1 > y_most) y_most = floor(log10($4)) + 1
}

END {
    if (!count) { print "no measurement to draw" > "/dev/stderr"; exit 1 }
    if (x_most == x_least) x_most++
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n", \
        left + width + labels, top + height + 50
    print "<title>What a call costs, by the number of tokens</title>"
    print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    text(left, 20, "start", "#333", "time of one call, by the number of tokens (both by powers of ten; dashed: by hand)")
    for (power = y_least; power <= y_most; power++) {
        line(left, down(10 ^ power), left + width, down(10 ^ power))
        text(left - 8, down(10 ^ power) + 4, "end", "#333", cost_name(power))
    }
    for (power = int(x_least + 0.999); power <= x_most + 0.001; power++) {
        line(across(10 ^ power), top, across(10 ^ power), top + height)
        text(across(10 ^ power), top + height + 20, "middle", "#333", tokens_name(power))
    }
    text(left + width / 2, top + height + 40, "middle", "#333", "tokens")
    for (n = 1; n <= count; n++) {
        printf "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s points=\"", palette[(n - 1) % 7 + 1], \
            whose[n] == "hand" ? " stroke-dasharray=\"6 4\"" : ""
        for (p = 1; p <= points_of[n]; p++) printf "%s%.1f,%.1f", (p > 1 ? " " : ""), across(tokens[n, p]), down(cost[n, p])
        print "\"/>"
        label[n] = down(cost[n, points_of[n]])
        order[n] = n
    }
    # Labels from the top down, each at its line's end, or below the one before.
    for (i = 1; i <= count; i++)
        for (j = i + 1; j <= count; j++)
            if (label[order[j]] < label[order[i]]) { swap = order[i]; order[i] = order[j]; order[j] = swap }
    lowest = 0
    for (i = 1; i <= count; i++) {
        n = order[i]
        place = label[n] + 4 < lowest + 16 ? lowest + 16 : label[n] + 4
        lowest = place
        text(left + width + 10, place, "start", palette[(n - 1) % 7 + 1], name[n])
    }
    print "</svg>"
}
