# Inspect kernels and their modules: which kernel boots next, which kernels have a driver.
release_of() {
  # FILE: set `release` to the kernel release of an image in /boot; fail for leftovers, rescue and
  # dump kernels, which have no modules
  release=${1##*/}
  case $release in vmlinu[xz]-*) release=${release#*-} ;; *) return 1 ;; esac
  release=${release%.efi.signed}
  [ -d "/lib/modules/$release" ]
}
next_kernel() {
  # set `next` to the release that boots next, and `guessed` to the reason if that is uncertain
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
    # the file that the firmware loads may only point to the actual configuration
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
  if [ -n "$picked" ]; then :  # grubby prints nothing if it finds no menu
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
  # shellcheck disable=SC2086  # each word is a release
  next=$(printf '%s\n' $found | sort -V | tail -n 1)
  guessed="it is the newest in /boot, and ${menu:-no file of a boot loader} does not say which"
}
by_menu() {
  # FILE: print the kernel of the entry that GRUB boots, found by number, title or id, also in submenus
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
      gsub(/["\047]/, "", $2)  # ZFS pools are quoted
      there = 1; entries++; depths[entries] = depth; kernel[entries] = $2
      for (k = 1; k <= depth; k++) {
        number[entries, k] = numbers[k] ""; title[entries, k] = titles[k]; id[entries, k] = ids[k]
      }
    }
    END {
      wanted = once != "" ? once : fallback ~ /saved_entry/ ? saved : fallback
      first = wanted; sub(/>.*/, "", first)
      # GRUB boots the first entry if the default does not exist
      if (first == "" || !(first in top)) wanted = "0"
      print chosen(wanted)
    }'
}
by_entry() {
  # ENTRY: print the kernel of a file in /boot/loader/entries, found by name or title
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
  # NAME: print the kernel whose release is part of the name of an entry
  # shellcheck disable=SC2086  # each word is a release
  for release in $(printf '%s\n' $found | sort -rV); do
    case $1 in *"$release"*) printf 'vmlinuz-%s' "$release"; return ;; esac
  done
}
module_of() {
  # KERNEL: set `module` to the path of its driver module
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
  # FOLDER: succeed if all modules in it carry a signature of the site's key, in either format
  for module in "$1"/*.ko*; do
    case $module in *.gz) unpack='gzip -dc' ;; *.xz) unpack='xz -dc' ;; *.zst) unpack='zstd -dc' ;; *) unpack='cat' ;; esac
    $unpack "$module" 2>/dev/null | tail -c 4096 | od -An -v -tx1 | tr -d ' \n' | grep -q "$ISSUED\|$KEY" || return 1
  done
}
modules() {
  # report each kernel and driver version that both DKMS' records and a module file confirm
  for built in /var/lib/dkms/cambricon*/*/*/*/module; do
    [ -d "$built" ] || continue
    version=${built%/*/*/module} arch=${built%/module}
    release=${arch%/*}
    release=${release##*/} arch=${arch##*/}
    # built is not installed: with several versions, DKMS' link names the installed one
    link=${version%/*}/kernel-$release-$arch
    [ ! -L "$link" ] || [ "$link" -ef "${built%/module}" ] || continue
    with=
    [ -n "$KEY" ] && signed "$built" && with=signed
    module_of "$release" && say module-for "$release" "${version##*/}" "$with"
    # compatible kernels of a distribution share a module by a link to it
    for weak in /lib/modules/*/weak-updates/cambricon[-_]drv.ko* \
      /lib/modules/*/weak-updates/*/cambricon[-_]drv.ko*; do
      [ -e "$weak" ] || continue
      # or by a copy of it
      case $([ ! -L "$weak" ] || readlink -f "$weak") in
      '' | "/lib/modules/$release/"* | "/usr/lib/modules/$release/"*)
        weak=${weak#/lib/modules/}
        say module-for "${weak%%/*}" "${version##*/}" "$with" ;;
      esac
    done
  done
}
