"use strict";
for (const pair of document.querySelectorAll(".pair")) {
  const slider = pair.querySelector("input");
  const split = () => pair.style.setProperty("--split", slider.value + "%");
  slider.addEventListener("input", split);
  split();
}
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
  for (const film of document.querySelectorAll("video")) film.play().catch(() => {});
}
