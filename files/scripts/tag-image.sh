docker tag "$(known "$1")" "$2"
