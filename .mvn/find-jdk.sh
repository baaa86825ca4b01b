# Sourced by ./mvnw and ./fathom (POSIX sh): sets and exports JAVA_HOME to a JDK new enough for Fathom, or says what to
# install. The version is read from the JDK's own `release` file by the shell itself, so that looking starts no process.

FATHOM_MINIMUM_JDK=25.0.3

# Is $1 the home of a JDK (with a compiler) of at least FATHOM_MINIMUM_JDK?
fathom_is_jdk() {
  [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] && [ -r "$1/release" ] || return 1
  # A line is JAVA_VERSION="25.0.3".
  while IFS='="' read -r fathom_key fathom_empty fathom_version fathom_rest; do
    if [ "$fathom_key" = JAVA_VERSION ]; then
      fathom_is_enough "${fathom_version%%[!0-9.]*}"
      return
    fi
  done <"$1/release"
  return 1
}

# Is $1 a version of at least FATHOM_MINIMUM_JDK? What it leaves out is 0.
fathom_is_enough() {
  fathom_found=$1.
  fathom_needed=$FATHOM_MINIMUM_JDK.
  while [ -n "$fathom_needed" ]; do
    fathom_number=${fathom_found%%.*}
    if [ "${fathom_number:-0}" -ne "${fathom_needed%%.*}" ]; then
      [ "${fathom_number:-0}" -gt "${fathom_needed%%.*}" ]
      return
    fi
    fathom_found=${fathom_found#*.}
    fathom_needed=${fathom_needed#*.}
  done
}

# The home of the `java` on the PATH, or nothing. Follows links itself: macOS has no `readlink -f`.
fathom_jdk_on_path() {
  fathom_java=$(command -v java) || return 0
  while [ -L "$fathom_java" ]; do
    fathom_link=$(readlink "$fathom_java")
    case $fathom_link in
      /*) fathom_java=$fathom_link ;;
      *) fathom_java=${fathom_java%/*}/$fathom_link ;;
    esac
  done
  (cd "${fathom_java%/*}/.." && pwd -P)
}

fathom_find_jdk() {
  if fathom_is_jdk "${JAVA_HOME:-}"; then
    export JAVA_HOME
    return 0
  fi
  for fathom_home in "$(fathom_jdk_on_path)" \
    /usr/lib/jvm/* "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home; do
    if fathom_is_jdk "$fathom_home"; then
      JAVA_HOME=$fathom_home
      export JAVA_HOME
      return 0
    fi
  done
  cat >&2 <<END
Fathom needs a JDK $FATHOM_MINIMUM_JDK or newer (with javac) and found none.
Looked at: JAVA_HOME (${JAVA_HOME:-not set}), java on the PATH ($(command -v java || echo none)),
           /usr/lib/jvm/*, ~/.sdkman/candidates/java/*, ~/.jdks/*, /Library/Java/JavaVirtualMachines/*
Install one of:
  Eclipse Temurin 25:  https://adoptium.net/temurin/releases/?version=25  (packages: apt, dnf, brew, winget)
  with SDKMAN:         sdk install java 25-tem
Then run this again, or point JAVA_HOME at the JDK.
END
  return 1
}
