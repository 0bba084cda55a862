# Turns a plugin's README into a man page: awk -v name=cache -f man.awk plugins/cache/README.md
#
# It knows what these READMEs use: headings, paragraphs, lists (nested), tables, fences, and inline code,
# emphasis and links. Which sections there have to be is the business of tests/it/docs.rs.

BEGIN {
    printf ".TH RHUMB-%s 7 \"\" \"Rhumb\" \"Rhumb plugins\"\n", toupper(name)
}

# Inside a fence nothing is markup.
/^ *```/ {
    if (is_fenced) {
        print ".EE\n.RE"
        is_fenced = 0
    } else {
        end_paragraph()
        print ".PP\n.RS 4\n.EX"
        is_fenced = 1
        margin = match($0, /`/) - 1
    }
    next
}
is_fenced {
    line = $0
    # A fence inside a list is indented with it.
    if (margin > 0 && substr(line, 1, margin) ~ /^ *$/) line = substr(line, margin + 1)
    print guarded(escaped(line))
    next
}

/^# / { next }
/^## / {
    end_paragraph()
    end_lists(0)
    section = substr($0, 4)
    print ".SH " toupper(section)
    next
}
/^###+ / {
    end_paragraph()
    end_lists(0)
    sub(/^#+ /, "")
    print ".SS " inline($0)
    next
}
/^ *$/ {
    end_paragraph()
    next
}

# Tables: one row a line, the ruler left out.
/^\|/ {
    if (!is_table) {
        end_paragraph()
        print ".PP\n.EX"
        is_table = 1
    }
    if ($0 ~ /^[|: -]+$/) next
    gsub(/^\| *| *\|$/, "")
    gsub(/ *\| */, "   ")
    print guarded(inline($0))
    next
}

# Lists: an item's level is its indentation.
/^ *[*-] / {
    end_paragraph()
    match($0, /^ */)
    indent = RLENGTH
    end_lists(indent)
    while (n_levels > 0 && level[n_levels] > indent) n_levels--
    if (n_levels == 0 || level[n_levels] < indent) {
        if (n_levels > 0) print ".RS 4"
        level[++n_levels] = indent
    }
    print ".IP \\(bu 3"
    sub(/^ *[*-] /, "")
    paragraph = $0
    has_item = 1
    next
}

{
    match($0, /^ */)
    # Text at the margin after a list ends the list; indented text belongs to the item.
    if (paragraph == "") {
        if (RLENGTH == 0) end_lists(0)
        if (section != "Name") print (n_levels > 0 ? ".IP \"\" 3" : ".PP")
    }
    sub(/^ +/, "")
    paragraph = paragraph == "" ? $0 : paragraph "\n" $0
}

END {
    end_paragraph()
    end_lists(0)
}

function end_paragraph(    lines, n, i) {
    if (is_table) {
        print ".EE"
        is_table = 0
    }
    if (paragraph == "") return
    text = paragraph
    paragraph = ""
    # man-db's whatis reads `page \- what it does`.
    if (section == "Name") {
        if (!is_named) print "rhumb" guarded(inline("-" name)) " \\- " inline(after_dash(text))
        is_named = 1
        return
    }
    n = split(inline(text), lines, "\n")
    for (i = 1; i <= n; i++) print guarded(lines[i])
}

function after_dash(text) {
    gsub(/\n/, " ", text)
    sub(/^[^-]* - /, "", text)
    sub(/\.$/, "", text)
    return text
}

# Closes the levels that are deeper than `indent`; all of them where text stands at the margin.
function end_lists(indent) {
    while (n_levels > 1 && level[n_levels] > indent) {
        print ".RE"
        n_levels--
    }
    if (indent == 0 && n_levels == 1 && $0 !~ /^ *[*-] /) n_levels = 0
}

function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    return text
}

# A line that begins with a dot or a quote would be a request.
function guarded(text) {
    return text ~ /^[.']/ ? "\\&" text : text
}

# Inline markup, code first: nothing inside it is markup.
function inline(text,    parts, n, i, out) {
    n = split(text, parts, "`")
    for (i = 1; i <= n; i++) {
        if (i % 2 == 0) {
            out = out "\\fB" escaped(parts[i]) "\\fR"
        } else {
            out = out emphasized(parts[i])
        }
    }
    return out
}

function emphasized(text,    before, inner) {
    text = escaped(text)
    # [text](target): the text alone; a man page has no links.
    while (match(text, /\[[^]]*\]\([^)]*\)/)) {
        inner = substr(text, RSTART + 1, RLENGTH - 1)
        before = substr(text, 1, RSTART - 1)
        text = before substr(inner, 1, index(inner, "](") - 1) substr(text, RSTART + RLENGTH)
    }
    while (match(text, /\*\*[^*]+\*\*/)) {
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART + 2, RLENGTH - 4) "\\fR" substr(text, RSTART + RLENGTH)
    }
    while (match(text, /\*[^* \n][^*]*\*/)) {
        text = substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART + 1, RLENGTH - 2) "\\fR" substr(text, RSTART + RLENGTH)
    }
    return text
}
