# shellcheck shell=sh disable=SC2154
# Shows a maintenance page through nginx, or takes it away. What nginx does not take is put back as it was.
#   step_shows     yes or no
#   step_include   the file that nginx's server block includes where it exists
#   step_page      an HTML file of this machine that nginx can read; empty: step_html, quoted for nginx, is the page
#   step_html step_retry_after step_nginx step_name step_shown
# Beside the include, ID being step_name:  .ID.new what is tried   .ID.old what was there, until it is done
# May be killed anywhere and run again.
set -uf
printf '%s\n' "$step_shown"
whole "$step_include"
include=$WHOLE folder=${WHOLE%/*} old=${WHOLE%/*}/.$step_name.old new=${WHOLE%/*}/.$step_name.new

back() { # WORDS: put the include back as it was, and give up
  if [ -s "$old" ]; then mv -f "$old" "$include"; else rm -f "$include" "$old"; fi
  fail "$*"
}
plain() { # PATH: may stand in nginx's configuration as it is
  case $1 in
    *[!A-Za-z0-9._/-]*) back "maintenance: odd name: $1" ;;
  esac
}
snippet() {
  printf 'error_page 503 @cloudwiki_maintenance;\nlocation @cloudwiki_maintenance {\n  default_type text/html;\n'
  printf '  charset utf-8;\n  add_header Retry-After %s always;\n' "$step_retry_after"
  printf '  add_header Cache-Control no-store always;\n'
  if [ -n "$step_page" ]; then
    printf '  root %s;\n  rewrite ^ /%s break;\n' "${page%/*}/" "${page##*/}"
  else
    printf '  return 503 %s;\n' "$step_html"
  fi
  printf '}\nreturn 503;\n'
}

[ -d "$folder" ] || fail "maintenance: no folder: $folder"
{ [ ! -e "$include" ] && [ ! -L "$include" ]; } || grep -q '@cloudwiki_maintenance;' "$include" 2>/dev/null ||
  fail "maintenance: not ours: $include"
# What was there before the first try of this step stays what is put back.
[ -e "$old" ] || cp -p "$include" "$old" 2>/dev/null || : >"$old" || fail "maintenance: not allowed: $folder"
if [ "$step_shows" = yes ]; then
  if [ -n "$step_page" ]; then
    whole "$step_page"
    page=$WHOLE
    [ -f "$page" ] || back "maintenance: no page: $page"
    plain "$page"
  fi
  { snippet >"$new" && chmod 644 "$new" && mv -f "$new" "$include"; } || back "maintenance: not allowed: $include"
else
  rm -f "$include" || back "maintenance: not allowed: $include"
fi
$step_nginx -t || back "maintenance: nginx refuses: $include"
if [ "$step_shows" = yes ]; then
  $step_nginx -T 2>/dev/null | grep -qxF "# configuration file $include:" || back "maintenance: not included: $include"
fi
$step_nginx -s reload || back "maintenance: not reloaded: $include"
rm -f "$old"
if [ "$step_shows" = yes ]; then printf 'users see the maintenance page\n'; else printf 'users see the service\n'; fi
