# Prints CHANGELOG.md in the format of debian/changelog. Variables: package, maintainer, and version, which replaces that of
# the newest entry, the version that is packaged.
function print_item(    words, count, index_, line) {
    if (item == "") return
    count = split(item, words, " ")
    line = "  *"
    for (index_ = 1; index_ <= count; index_++) {
        if (length(line) + 1 + length(words[index_]) > 78) {
            print line
            line = "   "
        }
        line = line " " words[index_]
    }
    print line
    item = ""
}
function finish() {
    print_item()
    if (date == "") return
    command = "date -R -u -d '" date " 12:00'"
    command | getline time
    close(command)
    printf "\n -- %s  %s\n\n", maintainer, time
}
/^## / {
    finish()
    # Entries without a date were never released.
    date = $4
    if (date == "") next
    found = $2
    gsub(/[][]/, "", found)
    if (!count++ && version != "") found = version
    printf "%s (%s) unstable; urgency=medium\n\n", package, found
    next
}
date == "" { next }
/^#/ || /^$/ { print_item(); next }
/^- / { print_item(); item = substr($0, 3); next }
{ sub(/^ +/, ""); item = item " " $0 }
END { finish() }
