# Sourced by ./mvnw and ./fathom (POSIX sh): sets and exports JAVA_HOME to a JDK new enough for Fathom, or says what to
# install. The version is read from the JDK's own `release` file, so that looking costs no JVM start.

FATHOM_MINIMUM_JDK=25.0.3

# Is $1 the home of a JDK (with a compiler) of at least FATHOM_MINIMUM_JDK?
fathom_is_jdk() {
  [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] && [ -r "$1/release" ] || return 1
  fathom_version=$(sed -n 's/^JAVA_VERSION="\([0-9.]*\).*/\1/p' "$1/release")
  [ -n "$fathom_version" ] || return 1
  printf '%s %s\n' "$fathom_version" "$FATHOM_MINIMUM_JDK" | awk '{
    split($1, found, "."); split($2, needed, ".")
    for (i = 1; i <= 3; i++) {
      if (found[i] + 0 > needed[i] + 0) exit 0
      if (found[i] + 0 < needed[i] + 0) exit 1
    }
  }'
}

# The home of the `java` on the PATH, or nothing. Follows links itself: macOS has no `readlink -f`.
fathom_jdk_on_path() {
  fathom_java=$(command -v java) || return 0
  while [ -L "$fathom_java" ]; do
    fathom_link=$(readlink "$fathom_java")
    case $fathom_link in
      /*) fathom_java=$fathom_link ;;
      *) fathom_java=$(dirname "$fathom_java")/$fathom_link ;;
    esac
  done
  (cd "$(dirname "$fathom_java")/.." && pwd -P)
}

fathom_find_jdk() {
  for fathom_home in "${JAVA_HOME:-}" "$(fathom_jdk_on_path)" \
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
