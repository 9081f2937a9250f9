import { useEffect, useState } from "react";
import { Survey } from "./Survey";
import { tevreden } from "./tevreden";

/** Whoever has signed in; the signature comes from your server, and without it the address counts as unverified. */
const user = { email: "ada@example.com", name: "Ada" };

export function App() {
  const [answer, setAnswer] = useState(null);

  useEffect(() => tevreden.identify(user), []);
  return (
    <main>
      <h1>Thank you for your order</h1>
      <p>
        <button onClick={() => tevreden.event("order placed")}>Order again</button>
      </p>
      <Survey survey={import.meta.env.VITE_SURVEY} onAnswered={setAnswer} />
      <p role="status">
        {answer &&
          `You gave ${answer.score}, which is ${answer.group}${answer.comment ? `: “${answer.comment}”` : "."}`}
      </p>
    </main>
  );
}
