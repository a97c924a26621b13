# Of kernels and their modules: which of them the boot loader takes next, which have a driver.
release_of() {
  # FILE: sets release to that of the kernel in it; a leftover, a rescue or a dump kernel has no
  # modules of its own here
  release=${1##*/}
  case $release in vmlinu[xz]-*) release=${release#*-} ;; *) return 1 ;; esac
  release=${release%.efi.signed}
  [ -d "/lib/modules/$release" ]
}
next_kernel() {
  # sets next, and guessed to why nobody can be certain of it
  next='' guessed='' found=' ' count=0
  for file in /boot/vmlinu[xz]-*; do
    [ -e "$file" ] || continue
    release_of "$file" || continue
    case $found in *" $release "*) continue ;; esac
    found="$found$release " count=$((count + 1)) next=$release
  done
  [ $count -gt 1 ] || return 0
  menu=
  for file in ${ID:+"/boot/efi/EFI/$ID/grub.cfg"} /boot/grub/grub.cfg /boot/grub2/grub.cfg; do
    # what firmware starts may only lead to the real one
    [ -r "$file" ] && grep -Eqs '^[[:space:]]*(menuentry|submenu|blscfg)' "$file" && menu=$file && break
  done
  once='' saved=''
  for file in "${menu%grub.cfg}grubenv" /boot/grub2/grubenv /boot/grub/grubenv; do
    [ -r "$file" ] || continue
    while IFS='=' read -r key value; do
      case $key in next_entry) once=$value ;; saved_entry) saved=$value ;; esac
    done < "$file"
    break
  done
  picked=
  [ -n "$once" ] || ! command -v grubby >/dev/null 2>&1 ||
    picked=$(timeout -k 2 10 grubby --default-kernel 2>/dev/null </dev/null)
  if [ -n "$picked" ]; then :  # a grubby that finds no menu of its own says nothing
  elif [ -n "$menu" ]; then
    picked=$(by_menu "$menu")
    [ -n "$picked" ] || picked=$(by_entry "${once:-$saved}")
  else
    wanted=$(sed -n 's/^GRUB_DEFAULT=//p' /etc/default/grub /etc/default/grub.d/*.cfg 2>/dev/null |
      tail -n 1 | tr -d \"\')
    [ "$wanted" != saved ] || wanted=$saved
    picked=$(by_name "${once:-$wanted}")
  fi
  release_of "${picked:-none}" && next=$release && return 0
  # shellcheck disable=SC2086  # a word is a release
  next=$(printf '%s\n' $found | sort -V | tail -n 1)
  guessed="it is the newest in /boot, and ${menu:-no file of a boot loader} does not say which"
}
by_menu() {
  # FILE: the kernel of the entry that GRUB takes, by number, title or id, in menus inside menus
  cat "$1" "${1%grub.cfg}custom.cfg" 2>/dev/null | once=$once saved=$saved awk '
    function quoted(text,   mark) {
      mark = substr(text, 1, 1)
      if (mark != "\047" && mark != "\"") { sub(/[ \t{].*/, "", text); return text }
      text = substr(text, 2)
      return substr(text, 1, index(text, mark) - 1)
    }
    function chosen(wanted,   names, depth, n, k) {
      depth = split(wanted, names, ">")
      for (n = 1; n <= entries; n++) {
        if (depths[n] != depth) continue
        for (k = 1; k <= depth; k++)
          if (names[k] != number[n, k] && names[k] != title[n, k] && names[k] != id[n, k]) break
        if (k > depth) return kernel[n]
      }
      return ""
    }
    BEGIN { once = ENVIRON["once"]; saved = ENVIRON["saved"] }
    /^[ \t]*function[ \t]/ { body = 1; next }
    /^[ \t]*set[ \t]+default=/ {
      value = $0; sub(/^[^=]*=/, "", value); value = quoted(value)
      if (value !~ /next_entry/) fallback = value
      next
    }
    /^[ \t]*(menuentry|submenu)[ \t]/ {
      depth++
      numbers[depth] = count[depth]++
      text = $0; sub(/^[ \t]*(menuentry|submenu)[ \t]+/, "", text)
      titles[depth] = quoted(text); ids[depth] = ""
      if (match(text, /(menuentry_id_option|--id)[ \t=]+/)) ids[depth] = quoted(substr(text, RSTART + RLENGTH))
      count[depth + 1] = 0; there = 0
      if (depth == 1) { top[numbers[1] ""]; top[titles[1]]; top[ids[1]] }
      next
    }
    /^[ \t]*}[ \t]*$/ { if (body) body = 0; else if (depth > 0) depth--; next }
    depth && !there && /^[ \t]*(linux|linux16|linuxefi|module|module2)[ \t]/ && $2 ~ /\/vmlinu[xz]-/ {
      gsub(/["\047]/, "", $2)  # as for a pool of ZFS
      there = 1; entries++; depths[entries] = depth; kernel[entries] = $2
      for (k = 1; k <= depth; k++) {
        number[entries, k] = numbers[k] ""; title[entries, k] = titles[k]; id[entries, k] = ids[k]
      }
    }
    END {
      wanted = once != "" ? once : fallback ~ /saved_entry/ ? saved : fallback
      first = wanted; sub(/>.*/, "", first)
      # what is not there at all is taken for the first
      if (first == "" || !(first in top)) wanted = "0"
      print chosen(wanted)
    }'
}
by_entry() {
  # ENTRY: the kernel of a file in /boot/loader/entries, by its name or title
  for file in /boot/loader/entries/*.conf; do
    [ -n "$1" ] && [ -r "$file" ] || continue
    name=${file##*/} kernel_file=''
    [ "${name%.conf}" = "$1" ] || grep -qx "title[[:space:]]*$1" "$file" || continue
    while read -r key value _; do [ "$key" = linux ] && kernel_file=$value; done < "$file"
    printf %s "$kernel_file"
    return
  done
}
by_name() {
  # NAME: of an entry; the kernel whose release is in it
  # shellcheck disable=SC2086  # a word is a release
  for release in $(printf '%s\n' $found | sort -rV); do
    case $1 in *"$release"*) printf 'vmlinuz-%s' "$release"; return ;; esac
  done
}
module_of() {
  # KERNEL: sets module to the file of its driver
  for module in "/lib/modules/$1"/updates/dkms/cambricon[-_]drv.ko* \
    "/lib/modules/$1"/updates/cambricon[-_]drv.ko* "/lib/modules/$1"/extra/cambricon[-_]drv.ko* \
    "/lib/modules/$1"/weak-updates/cambricon[-_]drv.ko* \
    "/lib/modules/$1"/weak-updates/*/cambricon[-_]drv.ko*; do
    [ -e "$module" ] && return
  done
  module=$(find "/lib/modules/$1/" -name 'cambricon[-_]drv.ko*' 2>/dev/null | head -n 1)
  [ -e "$module" ]
}
signed() {
  # FOLDER: all modules in it have a signature that names the key, in one of the two ways there are
  for module in "$1"/*.ko*; do
    case $module in *.gz) unpack='gzip -dc' ;; *.xz) unpack='xz -dc' ;; *.zst) unpack='zstd -dc' ;; *) unpack='cat' ;; esac
    $unpack "$module" 2>/dev/null | tail -c 4096 | od -An -v -tx1 | tr -d ' \n' | grep -q "$ISSUED\|$KEY" || return 1
  done
}
modules() {
  # a line for each kernel and version of the driver: both dkms' books and the file must be there
  for built in /var/lib/dkms/cambricon*/*/*/*/module; do
    [ -d "$built" ] || continue
    version=${built%/*/*/module} arch=${built%/module}
    release=${arch%/*}
    release=${release##*/} arch=${arch##*/}
    # what is built is not yet installed: of several versions the link leads to the one that is
    link=${version%/*}/kernel-$release-$arch
    [ ! -L "$link" ] || [ "$link" -ef "${built%/module}" ] || continue
    with=
    [ -n "$KEY" ] && signed "$built" && with=signed
    module_of "$release" && say module-for "$release" "${version##*/}" "$with"
    # kernels of one system that load each other's modules have a link to it
    for weak in /lib/modules/*/weak-updates/cambricon[-_]drv.ko* \
      /lib/modules/*/weak-updates/*/cambricon[-_]drv.ko*; do
      [ -e "$weak" ] || continue
      # or a copy of it
      case $([ ! -L "$weak" ] || readlink -f "$weak") in
      '' | "/lib/modules/$release/"* | "/usr/lib/modules/$release/"*)
        weak=${weak#/lib/modules/}
        say module-for "${weak%%/*}" "${version##*/}" "$with" ;;
      esac
    done
  done
}
