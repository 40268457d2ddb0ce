FROM debian:trixie-slim AS build
WORKDIR /src
COPY scripts/packages scripts/packages
RUN bash -c '. scripts/packages && install_packages build' && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake -G Ninja -B /build -DCMAKE_BUILD_TYPE=Release -DGATEHOUSE_TESTS=OFF \
      -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_SYSCONFDIR=/etc \
 && cmake --build /build --target gatehouse \
 && DESTDIR=/out cmake --install /build --strip
# The packages that hold the libraries the program is linked with, whatever they are called here.
RUN ldd /out/usr/bin/gatehouse | awk '$3 ~ "^/" { print $3 }' | xargs -n1 realpath \
      | xargs dpkg-query -S | cut -d: -f1 | sort -u > /libraries
# The file capability lets an ordinary user bind :80 and :443, also on the host's network. It is
# permitted, not effective: the program raises it itself, and still starts where it is taken away.
# An archive, because COPY between stages loses it with some builders.
RUN apt-get update && apt-get install -y --no-install-recommends libcap2-bin \
 && setcap cap_net_bind_service=+p /out/usr/bin/gatehouse \
 && tar --xattrs --xattrs-include='security.*' -C /out -czf /image.tar.gz usr/bin etc

FROM debian:trixie-slim
COPY --from=build /image.tar.gz /libraries /usr/share/gatehouse/
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates $(cat /usr/share/gatehouse/libraries) \
 && tar --xattrs --xattrs-include='security.*' -C / -xf /usr/share/gatehouse/image.tar.gz \
 && groupadd --system --gid 10001 gatehouse \
 && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/gatehouse \
      --shell /usr/sbin/nologin gatehouse \
 && install -d -m 0700 -o gatehouse -g gatehouse /var/lib/gatehouse \
 && rm -rf /usr/share/gatehouse /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
USER gatehouse
# Without root the data directory is $XDG_DATA_HOME/gatehouse.
ENV XDG_DATA_HOME=/var/lib
VOLUME /var/lib/gatehouse
EXPOSE 80 443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["gatehouse", "status"]
ENTRYPOINT ["gatehouse"]
CMD ["run", "--config", "/etc/gatehouse/gatehouse.toml"]
