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
# The file capability lets an ordinary user bind :80 and :443. It is set here and copied with the
# file: a change in the other stage would store the binary twice.
RUN apt-get update && apt-get install -y --no-install-recommends libcap2-bin \
 && setcap cap_net_bind_service=+ep /out/usr/bin/gatehouse

FROM debian:trixie-slim
COPY --from=build /libraries /usr/share/gatehouse/libraries
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates $(cat /usr/share/gatehouse/libraries) \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/gatehouse \
      --shell /usr/sbin/nologin gatehouse \
 && install -d -m 0700 -o gatehouse -g gatehouse /var/lib/gatehouse \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=build /out/usr/bin/gatehouse /usr/bin/gatehouse
COPY --from=build /out/etc/gatehouse/gatehouse.toml /etc/gatehouse/gatehouse.toml
USER gatehouse
# Without root the data directory is $XDG_DATA_HOME/gatehouse.
ENV XDG_DATA_HOME=/var/lib
VOLUME /var/lib/gatehouse
EXPOSE 80 443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["gatehouse", "status"]
ENTRYPOINT ["gatehouse"]
CMD ["run", "--config", "/etc/gatehouse/gatehouse.toml"]
