# Give a complete file its place.
place() {
  # FILE PATH SHA256 KIND WORDS: move a verified file of this tool's, which lies on the same file system,
  # to PATH. What somebody else had there is kept; a link to a directory is replaced and not followed
  if [ -e "$2" ] || [ -L "$2" ]; then
    case $2 in "$state"/*) ;; *) keep "$2" || return 1 ;; esac
  fi
  case $2 in "$state"/*) ;; *) made file "$2" "$3 - $4" ;; esac
  mv -fT "$1" "$2" || return 1
  audit "placed $2$5"
  # so that a file that nobody has touched since need not be read to be recognized
  case $2 in "$state"/*) ;; *) made file "$2" "$3 $(identity "$2") $4" ;; esac
}
